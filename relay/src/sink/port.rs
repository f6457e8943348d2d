//! What the relay needs of a sink.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use relay_engine::message::{MessageBatch, MessageRef};
use relay_engine::outcome::Failure;
use tokio::sync::mpsc::UnboundedSender;

/// Delivers messages to one place.
///
/// **Ordering**: messages of one key are stored in the order of the calls and of the indexes within a call; a
/// sink whose [`SinkTraits::ordered_prefix`] is false promises that only as long as one message per key is in
/// flight, and its caller keeps to that. **Durability**: a message is reported delivered only after the
/// receiver acknowledged it. **Duplicates**: the same message may be sent again; its idempotency key is then
/// the same. **Completeness**: every message handed over is reported exactly once, also when the sink is shut
/// down, then as [`FailureClass::Unknown`](relay_engine::outcome::FailureClass::Unknown).
pub trait Sink: Send {
    /// What the sink can promise and take.
    fn traits(&self) -> SinkTraits;

    /// Connects and checks what can be checked before the first message (credentials, topics where they are
    /// known, limits of the server). Called again after an outage.
    fn open(&mut self) -> BoxFuture<'_, Result<(), Failure>>;

    /// Hands over the messages of `batch` at `indexes`, in that order, and returns once the sink has taken
    /// them, which may wait for room. Their outcomes arrive later as [`Report`]s under the id `batch_id`.
    fn send(&mut self, batch_id: u64, batch: Arc<MessageBatch>, indexes: Vec<u32>) -> BoxFuture<'_, ()>;

    /// Why nothing of what it was handed is answered, where a sink waits for its receiver by itself instead of failing
    /// what it holds.
    fn away(&self) -> Option<Failure> {
        None
    }

    /// The headers that a receiver gets with `message`, for people who watch: the message's own and what the sink
    /// adds. Values that only sending decides, and credentials, are left out.
    fn sent_headers(&self, message: MessageRef<'_>) -> Vec<SentHeader> {
        message.headers().map(|(name, value)| SentHeader::shown(name, value)).collect()
    }

    /// Stops: reports what is still unanswered as unknown, and closes connections.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// What a sink promises.
#[derive(Debug, Clone, Copy)]
pub struct SinkTraits {
    /// What is stored is always a prefix of what was sent, per key, even when answers are lost.
    pub ordered_prefix: bool,
    /// Largest message (key, body and headers) the receiver takes, in bytes, where it is known.
    pub max_message: Option<usize>,
}

/// A header as a receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentHeader {
    /// Its name.
    pub name: String,
    /// Its value; `None` where that is a credential, or made while it is sent.
    pub value: Option<Vec<u8>>,
}

impl SentHeader {
    /// A header whose value may be seen.
    #[must_use]
    pub fn shown(name: &str, value: &[u8]) -> Self {
        Self { name: name.to_owned(), value: Some(value.to_vec()) }
    }

    /// A header whose value is left out.
    #[must_use]
    pub fn hidden(name: &str) -> Self {
        Self { name: name.to_owned(), value: None }
    }
}

/// Outcomes of messages of one `send`.
#[derive(Debug)]
pub struct Report {
    /// The id that was given to [`Sink::send`].
    pub batch_id: u64,
    /// Indexes of messages that the receiver acknowledged.
    pub delivered: Vec<u32>,
    /// Indexes of messages that failed, each with why.
    pub failed: Vec<(u32, Failure)>,
}

/// Where a sink leaves its reports. Unbounded: the lane's window bounds what can be in it.
pub type Reports = UnboundedSender<Report>;
