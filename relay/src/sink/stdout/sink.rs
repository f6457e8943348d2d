//! The sink itself.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use relay_engine::message::MessageBatch;
use relay_engine::outcome::{Failure, FailureClass};

use super::line;
use crate::sink::{Report, Reports, Sink, SinkTraits};

/// Nobody reads the output, or it cannot be written.
const CANNOT_WRITE: &str = "S240";

type Output = Arc<Mutex<Box<dyn Write + Send>>>;

/// Writes each message as a line of JSON: `id`, `key`, `address`, `headers`, `body`.
///
/// Keeps prefixes. A message is delivered once its line was handed to the operating system: a reader that dies
/// later may not have seen it.
pub struct StdoutSink {
    name: String,
    output: Output,
    reports: Reports,
}

impl fmt::Debug for StdoutSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdoutSink").field("name", &self.name).finish_non_exhaustive()
    }
}

impl StdoutSink {
    /// A sink that writes to the process's standard output.
    #[must_use]
    pub fn new(name: String, reports: Reports) -> Self {
        Self::with_output(name, Box::new(std::io::stdout()), reports)
    }

    /// A sink that writes elsewhere.
    #[must_use]
    pub fn with_output(name: String, output: Box<dyn Write + Send>, reports: Reports) -> Self {
        Self { name, output: Arc::new(Mutex::new(output)), reports }
    }

    async fn write(&self, batch_id: u64, batch: &MessageBatch, indexes: Vec<u32>) {
        let mut lines = Vec::new();
        let mut written = Vec::with_capacity(indexes.len());
        let mut failed = Vec::new();
        for index in indexes {
            let line = batch.get(index).ok_or_else(|| "the batch has no such message".to_owned());
            match line.and_then(|it| line::write(it, &mut lines).map_err(|error| error.to_string())) {
                Ok(()) => written.push(index),
                Err(detail) => {
                    failed.push((index, Failure::new(FailureClass::Permanent, CANNOT_WRITE, detail)))
                }
            }
        }
        let output = Arc::clone(&self.output);
        // A reader that pauses blocks the write: on a thread of its own, that stops this lane and nothing else.
        let outcome = tokio::task::spawn_blocking(move || {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.write_all(&lines).and_then(|()| output.flush())
        })
        .await;
        let problem = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            let detail = format!("standard output cannot be written: {problem}");
            let failure = Failure::new(FailureClass::Unavailable, CANNOT_WRITE, detail);
            failed.extend(written.drain(..).map(|index| (index, failure.clone())));
        }
        // A lane that went away needs no report.
        let _ = self.reports.send(Report { batch_id, delivered: written, failed });
    }
}

impl Sink for StdoutSink {
    fn traits(&self) -> SinkTraits {
        SinkTraits { ordered_prefix: true, max_message: None }
    }

    fn open(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        std::future::ready(Ok(())).boxed()
    }

    fn send(&mut self, batch_id: u64, batch: Arc<MessageBatch>, indexes: Vec<u32>) -> BoxFuture<'_, ()> {
        async move { self.write(batch_id, &batch, indexes).await }.boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        // Nothing is ever unanswered between two calls.
        std::future::ready(()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use relay_engine::event::{EventBatch, EventFields};
    use relay_engine::message::{Address, Content, Message};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// What was written and flushed, shared with the test.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>, Vec<u8>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.lock().unwrap().append(&mut self.1);
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch(bodies: &[Option<&[u8]>]) -> Arc<MessageBatch> {
        let mut events = EventBatch::default();
        for body in bodies {
            let headers: &[(&str, &[u8])] = &[("tenant", b"blue"), ("raw", b"\xff")];
            let fields = EventFields {
                id: "e0",
                aggregate_id: "order-1",
                payload: *body,
                headers,
                ..EventFields::default()
            };
            events.push(&fields).unwrap();
        }
        let mut batch = MessageBatch::new("p".into(), Arc::new(events));
        for _ in bodies {
            let message = Message {
                slot: "0".to_owned(),
                address: Address { place: "orders".to_owned(), ..Address::default() },
                key: Content::Unchanged,
                body: Content::Unchanged,
                inherit_headers: true,
                headers: Vec::new(),
            };
            batch.push_event([&message]).unwrap();
        }
        Arc::new(batch)
    }

    #[tokio::test]
    async fn each_message_is_one_line_that_is_flushed_before_it_is_delivered() {
        let (reports, mut received) = unbounded_channel();
        let shared = Shared::default();
        let mut sink = StdoutSink::with_output("out".to_owned(), Box::new(shared.clone()), reports);
        let bodies: [Option<&[u8]>; 5] =
            [Some(br#"{"a": 1.50}"#), Some(b"text"), Some(b"\xff\x00"), None, Some(b"[1,\n2]")];
        sink.send(4, batch(&bodies), vec![0, 1, 2, 3, 4]).await;
        let report = received.try_recv().unwrap();
        assert_eq!((report.batch_id, report.delivered), (4, vec![0, 1, 2, 3, 4]));
        let start = r#"{"id":"e0","key":"order-1","address":"orders","headers":{"tenant":"blue","raw":{"base64":"/w=="}},"body":"#;
        let expected: String =
            [r#"{"a": 1.50}"#, r#""text""#, r#"{"base64":"/wA="}"#, "null", r#""[1,\n2]""#]
                .map(|body| format!("{start}{body}}}\n"))
                .concat();
        assert_eq!(String::from_utf8(shared.0.lock().unwrap().clone()).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_closed_pipe_is_an_outage() {
        let (reports, mut received) = unbounded_channel();
        let mut sink = StdoutSink::with_output("out".to_owned(), Box::new(Closed), reports);
        sink.send(1, batch(&[None, None]), vec![0, 1]).await;
        let report = received.try_recv().unwrap();
        assert!(report.delivered.is_empty());
        assert!(
            report
                .failed
                .iter()
                .all(|(_, it)| (it.class, it.code.as_ref()) == (FailureClass::Unavailable, "S240"))
        );
    }
}
