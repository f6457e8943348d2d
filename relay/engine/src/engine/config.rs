//! How a lane behaves, and its figures.

use std::time::Duration;

use super::backoff::RetryPolicy;
use super::circuit::Outage;
use super::limits::{Full, HeldLimits};
use super::storm::StormLimit;

/// What a dead letter means for the other events of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDead {
    /// They wait behind it, and go on by themselves once it is sent or dropped: for keys whose later events are
    /// worth nothing without the earlier one, but need no decision of their own.
    Block,
    /// They become dead letters with it, those that waited behind it and those still to come: the key as a whole is
    /// set aside, is seen whole in the list of dead letters, and is sent again or dropped whole and in order, as an
    /// operator decides. Nothing of it goes by itself. For keys whose later events may be wrong because an earlier
    /// one is missing: correcting one event must not set the others free unseen.
    ParkKey,
    /// They go on.
    SkipAfterDeadLetter,
}

/// How a lane behaves.
#[derive(Debug, Clone, Copy)]
pub struct LaneConfig {
    /// The sink stores a prefix of what it was sent, per key: several events of a key may be in flight.
    pub ordered_prefix: bool,
    /// Events between settled progress and the newest read, at which reading pauses.
    pub window_events: usize,
    /// Bytes of the same.
    pub window_bytes: u64,
    /// Messages handed to the sink and unanswered, at most.
    pub in_flight: usize,
    /// When failed events are tried again.
    pub retry: RetryPolicy,
    /// What a dead letter means for its key.
    pub on_dead: OnDead,
    /// The longest time that progress stays unrecorded.
    pub settle_every: Duration,
    /// When failures of events are taken for a fault of their receiver or plugin; `None`: never.
    pub storm: Option<StormLimit>,
    /// How much the side table may hold of this lane.
    pub limits: HeldLimits,
}

/// Figures of a lane for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// Events between settled progress and the newest read.
    pub window: usize,
    /// Messages handed to the sink and unanswered.
    pub in_flight: usize,
    /// Parked, blocked and (where they block) dead events.
    pub held: u64,
    /// Deliveries acknowledged since this lane object was made.
    pub deliveries: u64,
    /// Answers that were lost since then: those messages were sent again, and may have arrived twice.
    pub unknown: u64,
    /// The outage or storm, while there is one.
    pub outage: Option<Outage>,
    /// What is at its limit, while progress waits for it.
    pub full: Option<Full>,
}
