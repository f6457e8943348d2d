//! What the relay needs of the place where it keeps progress.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use relay_engine::event::{KeyId, OwnedEvent, Position, Shard};
use relay_engine::message::Message;
use relay_engine::outcome::Failure;

/// The unit of progress: one sink of one pipeline, or a part of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId {
    /// The pipeline's configured name.
    pub pipeline: String,
    /// The sink's configured name.
    pub sink: String,
    /// Which keys.
    pub shard: Shard,
}

impl LaneId {
    /// The lane of all keys.
    #[must_use]
    pub fn new(pipeline: impl Into<String>, sink: impl Into<String>) -> Self {
        Self { pipeline: pipeline.into(), sink: sink.into(), shard: Shard::WHOLE }
    }

    /// The lanes of these sinks, each divided into so many.
    pub fn of_sinks(pipeline: &str, sinks: &[String], shards: u32) -> impl Iterator<Item = Self> {
        sinks.iter().flat_map(move |sink| {
            Shard::each(shards).map(move |shard| Self { shard, ..Self::new(pipeline, sink.as_str()) })
        })
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.pipeline, self.sink)?;
        if self.shard == Shard::WHOLE { Ok(()) } else { write!(f, " {}", self.shard) }
    }
}

/// How many due events are taken from the side table at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueLimit {
    /// Events at most.
    pub events: usize,
    /// Bytes of payloads, headers and rendered messages at most; one event comes all the same.
    pub bytes: u64,
}

/// Keeps the progress of lanes, their parked events and their dead letters.
///
/// **Durability**: what a method returned `Ok` for survives a crash of the database. **Ordering**: per lane,
/// calls take effect in the order they were made. **Ownership**: the newest term owns the lane; every write under
/// an older one fails with [`StoreError::Lost`] and changes nothing. A lease only says how long others leave the
/// owner alone: one that has run out, and that nobody else took over, can still be written under and renewed.
pub trait Store: Send + Sync {
    /// Creates or checks the relay's own tables.
    fn prepare(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes the lane over under a new term, creating its row on first use, unless another process holds a
    /// lease that has not run out by the database's clock.
    fn acquire<'a>(
        &'a self,
        lane: &'a LaneId,
        claim: &'a Claim,
    ) -> BoxFuture<'a, Result<Acquired, StoreError>>;

    /// Makes the lease run for `length` from now and notes what the lane is doing, in words for people. Compares
    /// the term alone, so it may run beside a settlement.
    fn renew<'a>(
        &'a self,
        lane: &'a LaneId,
        term: i64,
        length: Duration,
        state: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Gives the lease back, so that another relay need not wait for its end.
    fn release<'a>(&'a self, lane: &'a LaneId, term: i64) -> BoxFuture<'a, Result<(), StoreError>> {
        self.renew(lane, term, Duration::ZERO, STOPPED)
    }

    /// Notes that `process` shares the lanes that `lane` is one part of, for `length` from now; returns how many other
    /// processes do. Leaves who gives no length.
    fn attend<'a>(
        &'a self,
        lane: &'a LaneId,
        process: &'a str,
        length: Duration,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Records done, parked and dead events and moves progress, in one transaction. `lease` is compared and,
    /// on success, its version advanced.
    fn settle<'a>(
        &'a self,
        lane: &'a LaneId,
        lease: &'a mut Lease,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Parked events whose time has come, the first of each key, in the order of the outbox. Where `limit` leaves some
    /// out, those are here that are due longest.
    fn due<'a>(
        &'a self,
        lane: &'a LaneId,
        limit: DueLimit,
    ) -> BoxFuture<'a, Result<Vec<ParkedEvent>, StoreError>>;

    /// How long until the next parked event of this lane is due; `None` when none is parked.
    fn next_due<'a>(&'a self, lane: &'a LaneId) -> BoxFuture<'a, Result<Option<Duration>, StoreError>>;

    /// Carries out what operators asked for with [`Store::request`].
    fn apply_requests<'a>(
        &'a self,
        lane: &'a LaneId,
        lease: &'a mut Lease,
    ) -> BoxFuture<'a, Result<Applied, StoreError>>;

    /// Every lane that has a row.
    fn lanes(&self) -> BoxFuture<'_, Result<Vec<LaneSummary>, StoreError>>;

    /// Dead letters that match, in outbox order, at most `limit`, those behind `offset`.
    fn dead<'a>(
        &'a self,
        filter: &'a DeadFilter,
        limit: usize,
        offset: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>>;

    /// What the side table holds of the event with this id, in every lane.
    fn held<'a>(&'a self, event_id: &'a str) -> BoxFuture<'a, Result<Vec<HeldRecord>, StoreError>>;

    /// Each lane that holds events of `key`, by name.
    fn queues(&self, key: KeyId) -> BoxFuture<'_, Result<Vec<KeyQueue>, StoreError>>;

    /// How much the dead letters that match are.
    fn extent<'a>(&'a self, filter: &'a DeadFilter) -> BoxFuture<'a, Result<Extent, StoreError>>;

    /// Asks the owners of lanes to do this with the dead letters that match now; never with any that die later.
    fn request<'a>(
        &'a self,
        filter: &'a DeadFilter,
        action: &'a DeadAction,
    ) -> BoxFuture<'a, Result<Requested, StoreError>>;

    /// What came of requests by now.
    fn outcome<'a>(&'a self, requests: &'a [i64]) -> BoxFuture<'a, Result<Outcome, StoreError>>;
}

/// A relay's wish to own a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The relay's name, for people.
    pub owner: String,
    /// Names the process: it may take over from itself at any time.
    pub process: String,
    /// How long others are to leave the lane alone.
    pub length: Duration,
    /// Takes over from the owner with this term although its lease runs: its process is known to be gone.
    pub instead_of: Option<i64>,
}

/// The answer to a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The lane is the claimant's.
    Taken(LaneRecord),
    /// Another process owns it.
    Held(Holder),
}

/// Who owns a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The relay's name.
    pub owner: String,
    /// Its process.
    pub process: String,
    /// Its term.
    pub term: i64,
    /// How long its lease runs yet, by the database's clock.
    pub expires_in: Duration,
}

/// Proof of ownership: the term of the owner and the version of the row it wrote last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Counts owners of the lane.
    pub term: i64,
    /// Counts settlements of the lane.
    pub version: i64,
}

/// A lane as its new owner finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRecord {
    /// What to settle with.
    pub lease: Lease,
    /// How far the lane has settled; `None` before the first settlement.
    pub position: Option<Position>,
    /// Digests of the plugins the last settlement was made with, in chain order.
    pub generation: Vec<String>,
    /// Keys with parked, blocked or dead events, each once.
    pub held_keys: Vec<HeldKey>,
    /// Events parked or blocked.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Bytes that one of them takes with its messages: the mean of a sample, 0 where there is none.
    pub mean_bytes: u64,
}

/// How many events of one key are in the side table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldKey {
    /// The key.
    pub key: KeyId,
    /// Parked and blocked ones.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
}

/// How long a lease runs while its new owner reads what is held, at least: a million keys take seconds. Then it is
/// cut to its own length.
pub(super) const TAKEOVER: Duration = Duration::from_secs(30);

/// What a lane does whose owner has just taken it.
pub(super) const STARTING: &str = "starting";

/// What a lane does whose lease was given back.
const STOPPED: &str = "stopped";

/// What one settlement records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// New progress; `None` leaves it where it is.
    pub position: Option<Position>,
    /// Digests of the plugins that made this window's messages, in chain order.
    pub generation: Vec<String>,
    /// Events that leave the window without being delivered.
    pub held: Vec<HeldEvent>,
    /// What became of parked events that were tried again.
    pub retried: Vec<Retried>,
    /// Events delivered since the last settlement; added to the lane's count.
    pub delivered: u64,
    /// Events discarded since the last settlement; added to the lane's count.
    pub discarded: u64,
    /// Whether a dead letter lets later events of its key pass (`skip_after_dead_letter`).
    pub skip_dead: bool,
    /// Where a dead letter takes its key with it (`park_key`): what the events die of that are blocked behind one.
    pub buries: Option<Failure>,
}

/// An event to keep in the side table, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEvent {
    /// The event.
    pub event: OwnedEvent,
    /// Its key.
    pub key: KeyId,
    /// What it waits for.
    pub state: HeldState,
    /// Its messages as rendered; `None`: its plugins have to run (again).
    pub messages: Option<Vec<Message>>,
    /// Slots that were delivered already.
    pub delivered: Vec<String>,
    /// Attempts spent.
    pub attempts: u32,
    /// The last failure; `None` for a blocked event, which never failed.
    pub failure: Option<Failure>,
    /// Digests of the plugins that saw it last, in chain order.
    pub generation: Vec<String>,
}

/// What an event in the side table waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldState {
    /// A retry, this long after the settlement.
    Parked {
        /// From the settlement, by the database's clock.
        after: Duration,
    },
    /// The event before it in its key. The store promotes it to parked, due at once, when it becomes the
    /// first of its key.
    Blocked,
    /// An operator.
    Dead,
}

/// The result of trying a parked event again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The event's id.
    pub event_id: String,
    /// Its key.
    pub key: KeyId,
    /// What became of it.
    pub result: RetryResult,
}

/// What became of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryResult {
    /// Delivered or discarded: it leaves the side table and the next of its key moves up.
    Done,
    /// It waits again, or is dead now.
    Held {
        /// What it waits for.
        state: HeldState,
        /// Attempts spent.
        attempts: u32,
        /// The failure of this attempt.
        failure: Failure,
        /// Its messages as rendered now; `None` keeps what is stored.
        messages: Option<Vec<Message>>,
        /// Slots that were delivered so far.
        delivered: Vec<String>,
    },
}

/// A parked event that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The event.
    pub event: OwnedEvent,
    /// Its key.
    pub key: KeyId,
    /// Its messages as rendered; `None`: its plugins have to run.
    pub messages: Option<Vec<Message>>,
    /// Slots that were delivered already.
    pub delivered: Vec<String>,
    /// Attempts spent.
    pub attempts: u32,
    /// An operator had its plugins run again: what they make of it goes under idempotency keys of its own, told
    /// apart by this number.
    pub rerun: Option<u64>,
}

/// What an operator wants done with dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadAction {
    /// Send again what was rendered.
    Retry,
    /// Let the plugins of now run again, and send what they make under idempotency keys of its own.
    Rerun,
    /// The same with this payload in place of the event's.
    Replace(Vec<u8>),
    /// Forget them.
    Drop,
}

/// How much some dead letters are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Dead letters.
    pub letters: u64,
    /// Keys they belong to, counted per lane.
    pub keys: u64,
    /// Events that are blocked behind them.
    pub behind: u64,
}

impl std::iter::Sum for Extent {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            letters: sum.letters + one.letters,
            keys: sum.keys + one.keys,
            behind: sum.behind + one.behind,
        })
    }
}

/// What [`Store::request`] wrote down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requested {
    /// Dead letters that are meant.
    pub letters: u64,
    /// Numbers of the requests, one a lane.
    pub requests: Vec<i64>,
}

/// What came of requests. While a request is open, its owner has not taken up all of its letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lanes with an open request.
    pub open: Vec<LaneId>,
    /// Letters that were taken up: dropped, or given another chance.
    pub taken: u64,
    /// Of those, delivered by now, or discarded by a plugin.
    pub done: u64,
    /// Of those, waiting for their turn or their next attempt.
    pub waiting: u64,
    /// Of those, dead again, by error.
    pub dead: Vec<DeadAgain>,
}

/// Letters that a request gave another chance and that are dead again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadAgain {
    /// Code of the failure.
    pub code: String,
    /// Detail of one of them.
    pub detail: String,
    /// How many.
    pub letters: u64,
}

/// What became of operators' requests: each letter's key, once per letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Parked again.
    pub parked: Vec<KeyId>,
    /// Dropped.
    pub dropped: Vec<KeyId>,
}

impl Applied {
    /// How many letters that is.
    #[must_use]
    pub fn letters(&self) -> usize {
        self.parked.len() + self.dropped.len()
    }
}

/// Which dead letters are meant; all conditions that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Of this sink.
    pub sink: Option<String>,
    /// With this event id.
    pub event_id: Option<String>,
    /// Of this aggregate id.
    pub aggregate_id: Option<String>,
    /// With this code as the last failure.
    pub code: Option<String>,
    /// Given up on before then, microseconds since the Unix epoch by the database's clock.
    pub dead_before: Option<u64>,
}

/// A dead letter, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its lane.
    pub lane: LaneId,
    /// The event.
    pub event: OwnedEvent,
    /// Its messages as rendered, where its plugins got that far.
    pub messages: Option<Vec<Message>>,
    /// Attempts spent.
    pub attempts: u32,
    /// Code of the last failure.
    pub code: String,
    /// Detail of the last failure.
    pub detail: String,
    /// Digests of the plugins that saw it last.
    pub generation: Vec<String>,
    /// When it became a dead letter, microseconds since the Unix epoch by the database's clock.
    pub dead_at: u64,
    /// Events of its key that wait behind it.
    pub blocked: u64,
}

/// What a lane holds of one event, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// The lane.
    pub lane: LaneId,
    /// The event.
    pub event: OwnedEvent,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Attempts spent.
    pub attempts: u32,
    /// Code and detail of the last failure; `None` where it never failed itself.
    pub failure: Option<(String, String)>,
    /// Slots that were delivered already.
    pub delivered: Vec<String>,
    /// Digests of the plugins that saw it last, in chain order.
    pub generation: Vec<String>,
    /// When it was put there, microseconds since the Unix epoch by the database's clock, as all times here.
    pub held_at: u64,
    /// The operator's request by which its plugins run again, where there was one.
    pub rerun: Option<u64>,
    /// Events of its key that stand before it.
    pub ahead: u64,
    /// The event of its key that the others wait for, where that stands before it: a parked one, otherwise the first
    /// dead one.
    pub behind: Option<String>,
}

/// What a held event waits for, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Its next attempt.
    Attempt {
        /// When it is due.
        due_at: u64,
    },
    /// Events of its key before it.
    Key,
    /// An operator: it is a dead letter.
    Operator {
        /// Since when.
        dead_at: u64,
    },
}

/// Events of one key that a lane holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQueue {
    /// The lane.
    pub lane: LaneId,
    /// The id of the first.
    pub first: String,
    /// How many they are.
    pub events: u64,
}

/// A lane, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSummary {
    /// Its name.
    pub lane: LaneId,
    /// The name of its owner, or of its last one.
    pub owner: String,
    /// The owner's term.
    pub term: i64,
    /// Whether the owner's lease runs.
    pub leased: bool,
    /// What the owner last said it was doing.
    pub state: String,
    /// How far it has settled.
    pub position: Option<Position>,
    /// Digests of its plugins at the last settlement.
    pub generation: Vec<String>,
    /// Events delivered in the life of the lane.
    pub delivered: u64,
    /// Events discarded in the life of the lane.
    pub discarded: u64,
    /// Events parked or blocked.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// The last settlement, microseconds since the Unix epoch by the database's clock.
    pub settled_at: Option<u64>,
}

/// Why the store can't answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another relay owns the lane now: forget everything and stop.
    #[error("T501: lane {lane} belongs to another relay now (our term was {term})")]
    Lost {
        /// The lane.
        lane: String,
        /// The term that is over.
        term: i64,
    },
    /// Another relay owned the lane before we did.
    #[error("T501: lane {lane} belongs to {owner} (term {term})")]
    Owned {
        /// The lane.
        lane: String,
        /// The other relay's name.
        owner: String,
        /// Its term.
        term: i64,
    },
    /// The database does not answer: try again after a pause; the same call is safe to repeat only after
    /// [`Store::acquire`], as it may have taken effect.
    #[error("{code}: {what}")]
    Unavailable {
        /// Stable code, `T5xx`.
        code: &'static str,
        /// What happened.
        what: String,
        /// The driver's error.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Something an operator has to change.
    #[error("{code}: {what}; {remedy}")]
    Refused {
        /// Stable code, `T5xx`.
        code: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}
