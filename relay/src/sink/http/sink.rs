//! The sink itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use relay_engine::message::{MessageBatch, MessageRef};
use relay_engine::outcome::{Failure, FailureClass};
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Client, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::addresses::{AddressFilter, client};
use super::answer::{AnswerParts, abandoned, blocked_failure, judge, judge_error};
use super::config::HttpSinkConfig;
use super::request::RequestMaker;
use super::retry_after;
use crate::sink::{Report, Reports, SentHeader, Sink, SinkTraits};

/// How much of an answer's body is kept for the error.
const EXCERPT: usize = 1_024;
/// How much of an answer's body is read so that its connection can be used again; more is cheaper to cut off.
const DRAIN: usize = 64 * 1_024;
/// How long closing waits for answers; the lane has drained before it closes.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// The sink was not opened.
const NOT_OPEN: &str = "S219";
/// No TLS provider, or a client that cannot be built.
const SETTINGS: &str = "S211";

/// Delivers to an HTTP endpoint, one request per message, several at once.
///
/// Keeps no prefixes. A message is delivered once the receiver's status is read; the body of the answer is read
/// for errors and for the connection's sake, up to a bound.
pub struct HttpSink {
    config: HttpSinkConfig,
    courier: Option<Arc<Courier>>,
    room: Arc<Semaphore>,
    requests: JoinSet<()>,
    reports: Reports,
}

impl HttpSink {
    /// A sink without connections; its outcomes will go to `reports`.
    #[must_use]
    pub fn new(config: HttpSinkConfig, reports: Reports) -> Self {
        let room = Arc::new(Semaphore::new(config.concurrency.max(1)));
        Self { config, courier: None, room, requests: JoinSet::new(), reports }
    }

    fn open_client(&mut self) -> Result<(), Failure> {
        if self.courier.is_none() {
            self.courier = Some(Arc::new(Courier::new(&self.config)?));
        }
        Ok(())
    }

    async fn send_one(&mut self, batch_id: u64, batch: &Arc<MessageBatch>, index: u32) {
        let slip = Slip { reports: self.reports.clone(), batch_id, index, open: true };
        let Some(courier) = &self.courier else {
            let detail = "the sink was not opened";
            return slip.answer(Err(Failure::new(FailureClass::Unavailable, NOT_OPEN, detail)));
        };
        // The semaphore is never closed.
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
        let courier = Arc::clone(courier);
        let batch = Arc::clone(batch);
        self.requests.spawn(async move { courier.carry(&batch, index, slip, room).await });
        // What has ended is let go; a panic of one was reported by its slip.
        while self.requests.try_join_next().is_some() {}
    }
}

impl Sink for HttpSink {
    fn traits(&self) -> SinkTraits {
        SinkTraits { ordered_prefix: false, max_message: None }
    }

    fn open(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        // There is no request that an endpoint must answer without taking it for a message, so the first
        // message is the test.
        let outcome = self.open_client();
        async { outcome }.boxed()
    }

    fn send(&mut self, batch_id: u64, batch: Arc<MessageBatch>, indexes: Vec<u32>) -> BoxFuture<'_, ()> {
        async move {
            for index in indexes {
                self.send_one(batch_id, &batch, index).await;
            }
        }
        .boxed()
    }

    fn sent_headers(&self, message: MessageRef<'_>) -> Vec<SentHeader> {
        self.courier.as_ref().and_then(|it| it.maker.shown_headers(message)).unwrap_or_default()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            let ended = async { while self.requests.join_next().await.is_some() {} };
            // An elapsed deadline is answered by the slips of the requests that are cut off.
            let _ = tokio::time::timeout(CLOSE_GRACE, ended).await;
            self.requests.shutdown().await;
        }
        .boxed()
    }
}

/// The right and the duty to report one message: without an answer it reports the message as unknown.
#[derive(Debug)]
struct Slip {
    reports: Reports,
    batch_id: u64,
    index: u32,
    open: bool,
}

impl Slip {
    fn answer(mut self, outcome: Result<(), Failure>) {
        self.report(outcome);
    }

    fn report(&mut self, outcome: Result<(), Failure>) {
        self.open = false;
        let (delivered, failed) = match outcome {
            Ok(()) => (vec![self.index], Vec::new()),
            Err(failure) => (Vec::new(), vec![(self.index, failure)]),
        };
        // A lane that went away needs no report.
        let _ = self.reports.send(Report { batch_id: self.batch_id, delivered, failed });
    }
}

impl Drop for Slip {
    fn drop(&mut self) {
        if self.open {
            self.report(Err(abandoned()));
        }
    }
}

/// What a request needs.
struct Courier {
    client: Client,
    maker: RequestMaker,
    filter: AddressFilter,
    conflict_is_success: bool,
}

impl Courier {
    fn new(config: &HttpSinkConfig) -> Result<Self, Failure> {
        let wrong = |detail: String| Failure::new(FailureClass::Unavailable, SETTINGS, detail);
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(wrong("the program installed no TLS provider".to_owned()));
        }
        let filter = AddressFilter { allow_private: config.allow_private };
        let client = client(filter, config.timeout)
            .map_err(|error| wrong(format!("the HTTP client cannot be built: {error}")))?;
        let maker = RequestMaker::new(config)?;
        Ok(Self { client, maker, filter, conflict_is_success: config.conflict_is_success })
    }

    async fn carry(&self, batch: &MessageBatch, index: u32, slip: Slip, room: OwnedSemaphorePermit) {
        match self.ask(batch, index).await {
            Ok((response, name)) => self.read(response, &name, slip).await,
            Err(failure) => slip.answer(Err(failure)),
        }
        drop(room);
    }

    /// Sends the request and waits for the head of its answer.
    async fn ask(&self, batch: &MessageBatch, index: u32) -> Result<(Response, String), Failure> {
        let message = batch.get(index).ok_or_else(abandoned)?;
        let made = self.maker.request(message, SystemTime::now())?;
        self.filter.check_literal(self.maker.base()).map_err(|it| blocked_failure(&it, &made.name))?;
        let name = made.name;
        let response = self.client.execute(made.request).await.map_err(|it| judge_error(&it, &name))?;
        Ok((response, name))
    }

    async fn read(&self, mut response: Response, name: &str, slip: Slip) {
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let mut parts = AnswerParts {
            location: header(LOCATION),
            retry_after: header(RETRY_AFTER).and_then(|it| retry_after::parse(&it, SystemTime::now())),
            excerpt: String::new(),
        };
        if let Ok(()) = judge(status, &parts, name, self.conflict_is_success) {
            // Before the body is read: a slow or endless one changes nothing about the delivery.
            slip.answer(Ok(()));
            read_start(&mut response, DRAIN).await;
        } else {
            parts.excerpt = printable(&read_start(&mut response, DRAIN).await);
            slip.answer(judge(status, &parts, name, self.conflict_is_success));
        }
    }
}

/// Reads up to `most` bytes, within the request's timeout, and returns the first of them.
async fn read_start(response: &mut Response, most: usize) -> Vec<u8> {
    let mut start = Vec::new();
    let mut read = 0;
    // An answer that breaks off has still given its status.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = EXCERPT.saturating_sub(start.len()).min(chunk.len());
        start.extend_from_slice(&chunk[..room]);
        read += chunk.len();
        if read >= most {
            break;
        }
    }
    start
}

fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect::<String>().trim().to_owned()
}
