//! What the relay needs of a source.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use relay_engine::event::{Event, EventBatch, OwnedEvent, Position};

/// Reads one outbox in order.
///
/// **Ordering**: events of one key come in the order in which their transactions committed, and `sequence`
/// ascends within a batch. **Durability**: a batch leaves only when no crash of the database can take its rows
/// back. **Cancellation**: every future may be dropped; the reading position moves only when a batch is
/// returned. **Duplicates**: none within one opened source; after [`Source::open`] at an older position, the
/// same events come again, with the same ids.
pub trait Source: Send {
    /// Connects, checks the table, and places the reader. Returns the position it stands at, which differs
    /// from the one asked for only where that one no longer holds (a failover), and then lies before it.
    ///
    /// Called again after an error to start over from a settled position.
    fn open(&mut self, start: Start) -> BoxFuture<'_, Result<Position, SourceError>>;

    /// The next events, at least one: waits as long as there are none.
    fn next_batch(&mut self, limit: BatchLimit) -> BoxFuture<'_, Result<ReadBatch, SourceError>>;

    /// Whether a failover of this database can take back rows that were read: then a lane remembers what it sent.
    fn can_take_back(&self) -> bool {
        false
    }

    /// After [`Source::open`]: which of these events the outbox has lost in a failover since they were read, in order;
    /// `None` where there was none. An event that a server cannot say anything about counts as lost if its row is not
    /// there.
    fn taken_back<'a>(
        &'a mut self,
        sent: &'a [Sent],
    ) -> BoxFuture<'a, Result<Option<Vec<SentEvent>>, SourceError>> {
        let _ = sent;
        Box::pin(async { Ok(None) })
    }
}

/// Events that were handed to a sink, and where they were read: in two buffers, so that noting one costs two copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    within: String,
    ids: String,
    /// Sequence, and where the id ends, of each.
    events: Vec<(u64, usize)>,
}

impl Sent {
    /// None yet of a batch that was read at `within`.
    #[must_use]
    pub fn new(within: &str) -> Self {
        Self { within: within.to_owned(), ids: String::new(), events: Vec::new() }
    }

    /// [`ReadBatch::within`] of their batch.
    #[must_use]
    pub fn within(&self) -> &str {
        &self.within
    }

    /// Notes an event, unless it is the last one again: several messages of one event follow each other.
    pub fn note(&mut self, sequence: u64, id: &str) {
        if self.events.last().is_some_and(|(last, _)| *last == sequence) {
            return;
        }
        self.ids.push_str(id);
        self.events.push((sequence, self.ids.len()));
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.events.len()
    }

    /// Each of them, in the order in which they were noted.
    pub fn events(&self) -> impl Iterator<Item = SentEvent> {
        let starts = std::iter::once(0).chain(self.events.iter().map(|(_, end)| *end));
        starts.zip(&self.events).map(|(start, (sequence, end))| SentEvent {
            sequence: *sequence,
            id: self.ids[start..*end].into(),
        })
    }
}

/// An event that was handed to a sink.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SentEvent {
    /// Its place in the outbox.
    pub sequence: u64,
    /// Its id.
    pub id: Box<str>,
}

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With what commits from now on.
    Now,
    /// With the oldest row.
    Beginning,
    /// Behind a position that this source issued before.
    After(Position),
}

/// How much one batch may hold. A single event over `bytes` still comes, alone.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimit {
    /// Events at most.
    pub events: usize,
    /// Payload bytes at which the batch closes.
    pub bytes: usize,
}

/// Events and where reading stands behind them.
#[derive(Debug)]
pub struct ReadBatch {
    /// At least one event.
    pub events: Arc<EventBatch>,
    /// The base of positions between this batch's events.
    pub within: String,
    /// The position behind the last event.
    pub end: Position,
}

impl ReadBatch {
    /// The position behind the event at `index`; behind the last one it is [`ReadBatch::end`].
    #[must_use]
    pub fn position_after(&self, index: usize) -> Position {
        let sequence = self.events.get(index).map(Event::sequence);
        position_between(sequence, index + 1 == self.events.len(), &self.within, &self.end)
    }
}

/// A committed row of an outbox, for who asks about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The event.
    pub event: OwnedEvent,
    /// The number of the transaction that wrote it, where the outbox keeps it.
    pub transaction: Option<u64>,
    /// What divides keys into shards, where the source can: an event belongs to the shard that is the rest of this number
    /// divided by the number of shards.
    pub key_hash: Option<u64>,
    /// How many rows have this id; the event is the first of them.
    pub rows: u64,
    /// Where it stands for each position that was asked about.
    pub standings: Vec<Standing>,
}

/// Where an event stands for a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The position is behind it: whoever stands there has passed it.
    Passed,
    /// It comes after the position.
    Ahead,
    /// The two can't be compared, for this reason.
    Unknown(String),
}

/// What is committed behind a position, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Events, counted up to [`Backlog::MOST`].
    pub events: u64,
    /// The oldest event's own time, microseconds since the Unix epoch; `None` where there is none, or the outbox keeps
    /// no times.
    pub oldest: Option<u64>,
}

impl Backlog {
    /// Where counting ends, so that it costs little however long a lane was away.
    pub const MOST: u64 = 10_000;
}

/// [`ReadBatch::position_after`] for who keeps the parts of a batch apart: behind the event with `sequence`, which
/// may be the last.
pub(crate) fn position_between(sequence: Option<u64>, last: bool, within: &str, end: &Position) -> Position {
    match sequence {
        Some(after) if !last => Position { base: within.to_owned(), after },
        _ => end.clone(),
    }
}

/// Why a source can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The database does not answer or dropped the connection: open again after a pause.
    #[error("{code}: {what}")]
    Unavailable {
        /// Stable code, `D3xx`.
        code: &'static str,
        /// What happened.
        what: String,
        /// The driver's error.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Something an operator has to change: the relay stops this pipeline.
    #[error("{code}: {what}; {remedy}")]
    Refused {
        /// Stable code, `D3xx`.
        code: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}
