//! Drives a sink as a lane does: batches in, reports out, each message reported exactly once.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what tests share panics as tests do")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use relay::sink::{Report, Sink};
use relay_engine::event::{EventBatch, EventFields};
use relay_engine::message::{Address, Content, Message, MessageBatch};
use relay_engine::outcome::{Failure, FailureClass};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What became of the messages of one batch id, by index.
pub type Outcomes = BTreeMap<u32, Result<(), Failure>>;

/// A sink and its reports.
pub struct Driver<S> {
    pub sink: Box<S>,
    reports: UnboundedReceiver<Report>,
    seen: BTreeMap<u64, Outcomes>,
    next_id: u64,
}

impl<S: Sink> Driver<S> {
    pub fn new(make: impl FnOnce(relay::sink::Reports) -> S) -> Self {
        let (send, reports) = unbounded_channel();
        Self { sink: Box::new(make(send)), reports, seen: BTreeMap::new(), next_id: 1 }
    }

    /// Hands over all messages of the batch.
    pub async fn send(&mut self, batch: &Arc<MessageBatch>) -> u64 {
        let all = (0..u32::try_from(batch.len()).unwrap()).collect();
        self.send_some(batch, all).await
    }

    /// Hands over some messages of the batch.
    pub async fn send_some(&mut self, batch: &Arc<MessageBatch>, indexes: Vec<u32>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.sink.send(id, Arc::clone(batch), indexes).await;
        id
    }

    /// Waits for the outcomes of `count` messages sent under `id`.
    pub async fn outcomes(&mut self, id: u64, count: usize) -> Outcomes {
        while self.seen.get(&id).map_or(0, BTreeMap::len) < count {
            let report = tokio::time::timeout(PATIENCE, self.reports.recv()).await;
            let report = report.expect("no report in time").expect("the sink is gone");
            self.note(report);
        }
        self.seen.remove(&id).unwrap()
    }

    /// Sends the batch and waits for its outcomes.
    pub async fn deliver(&mut self, batch: &Arc<MessageBatch>) -> Outcomes {
        let id = self.send(batch).await;
        self.outcomes(id, batch.len()).await
    }

    /// As a lane does: sends what is open, in order, and opens anew after failures, until all is delivered or
    /// failed for good. Returns what failed for good.
    pub async fn deliver_as_a_lane(&mut self, batch: &Arc<MessageBatch>) -> Vec<(u32, Failure)> {
        let mut open: Vec<u32> = (0..u32::try_from(batch.len()).unwrap()).collect();
        let mut dead = Vec::new();
        while !open.is_empty() {
            let count = open.len();
            let id = self.send_some(batch, open).await;
            let outcomes = self.outcomes(id, count).await;
            open = Vec::new();
            for (index, outcome) in outcomes {
                match outcome {
                    Ok(()) => {}
                    Err(failure) if failure.class == FailureClass::Permanent => dead.push((index, failure)),
                    Err(_) => open.push(index),
                }
            }
            if !open.is_empty() {
                // A sink that is still away is asked again, as probes do.
                while self.sink.open().await.is_err() {}
            }
        }
        dead
    }

    /// Closes the sink and returns what it reported until then.
    pub async fn close(mut self) -> BTreeMap<u64, Outcomes> {
        self.sink.close().await;
        while let Ok(report) = self.reports.try_recv() {
            Self::note_in(&mut self.seen, report);
        }
        self.seen
    }

    fn note(&mut self, report: Report) {
        Self::note_in(&mut self.seen, report);
    }

    fn note_in(seen: &mut BTreeMap<u64, Outcomes>, report: Report) {
        let outcomes = seen.entry(report.batch_id).or_default();
        let delivered = report.delivered.into_iter().map(|index| (index, Ok(())));
        let failed = report.failed.into_iter().map(|(index, failure)| (index, Err(failure)));
        for (index, outcome) in delivered.chain(failed) {
            let before = outcomes.insert(index, outcome);
            assert!(before.is_none(), "message {index} was reported twice");
        }
    }
}

/// One message for a batch.
pub struct Draft<'a> {
    pub id: String,
    pub key: &'a str,
    pub body: Option<Vec<u8>>,
    pub place: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Draft<'a> {
    pub fn new(id: impl Into<String>, key: &'a str, body: impl Into<Vec<u8>>, place: &'a str) -> Self {
        Self { id: id.into(), key, body: Some(body.into()), place, headers: Vec::new() }
    }

    pub fn header(mut self, name: &'a str, value: &'a [u8]) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A batch of pipeline `p` with one message per draft, of slot 0; the events occur 1 ms apart, from now on. (A
/// broker forgets a producer whose newest record is a day old, and with it what it has stored already.)
pub fn batch(drafts: &[Draft<'_>]) -> Arc<MessageBatch> {
    let mut events = EventBatch::default();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_micros()).unwrap();
    for (sequence, draft) in (0u64..).zip(drafts) {
        let fields = EventFields {
            id: &draft.id,
            sequence,
            aggregate_type: "order",
            aggregate_id: draft.key,
            event_type: "Placed",
            payload: draft.body.as_deref(),
            headers: &draft.headers,
            occurred_at: now + sequence * 1_000,
            attempt: 1,
            ..EventFields::default()
        };
        events.push(&fields).unwrap();
    }
    let mut messages = MessageBatch::new("p".into(), Arc::new(events));
    for draft in drafts {
        messages.push_event([&message(draft.place)]).unwrap();
    }
    Arc::new(messages)
}

/// The event as it is, to `place`.
pub fn message(place: &str) -> Message {
    Message {
        slot: "0".to_owned(),
        address: Address { place: place.to_owned(), ..Address::default() },
        key: Content::Unchanged,
        body: Content::Unchanged,
        inherit_headers: true,
        headers: Vec::new(),
    }
}

/// Class and code of one outcome that is a failure.
pub fn failure(outcomes: &Outcomes, index: u32) -> (FailureClass, &str) {
    let failure = outcomes[&index].as_ref().expect_err("it was delivered");
    (failure.class, failure.code.as_ref())
}
