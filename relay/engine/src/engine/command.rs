//! What comes out of a lane: things for its shell to do.

use std::time::Duration;

use super::plan::{BatchId, EventAt};
use crate::outcome::Failure;

/// One thing to do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Hand these messages of the batch to the sink, in this order.
    Send {
        /// The batch.
        batch: BatchId,
        /// Indexes of messages in the batch.
        messages: Vec<u32>,
    },
    /// As [`Command::Send`], after opening the sink anew: finds out whether an outage is over. When opening
    /// fails, report these messages as failed by that.
    Probe {
        /// The batch.
        batch: BatchId,
        /// One message.
        message: u32,
    },
    /// Open the sink anew, with nothing to send; then call `sink_opened` or `sink_failed`.
    Reopen,
    /// Record this in one transaction, then call `settled`.
    Settle(SettlePlan),
    /// Ask the store for parked events that are due, then call `retry`, also with none.
    FetchDue {
        /// Events at most.
        events: usize,
        /// Bytes of payloads and messages at most, unless the first alone has more.
        bytes: u64,
    },
    /// The lane halted: everything before the event that asked for it is settled.
    Halted(String),
}

/// One settlement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettlePlan {
    /// How far progress moves; `None`: it stays.
    pub progress: Option<Progress>,
    /// Events that progress passes without a delivery.
    pub held: Vec<HeldPlan>,
    /// Results of retries.
    pub retried: Vec<RetriedPlan>,
    /// Events delivered that this settlement covers.
    pub delivered: u64,
    /// Events discarded that this settlement covers.
    pub discarded: u64,
}

/// Progress behind the event named: it and all before it are done or recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The last event passed.
    pub through: EventAt,
}

/// An event for the side table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPlan {
    /// The event.
    pub at: EventAt,
    /// What it waits for.
    pub state: HeldState,
    /// Attempts spent.
    pub attempts: u32,
    /// Why, where it failed itself.
    pub failure: Option<Failure>,
    /// Indexes of its messages that were delivered.
    pub delivered: Vec<u32>,
}

/// What a held event waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldState {
    /// A retry, this long from now.
    Parked {
        /// From the settlement.
        after: Duration,
    },
    /// The event before it in its key.
    Blocked,
    /// An operator.
    Dead,
}

/// The result of one retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetriedPlan {
    /// The event, in its retry batch.
    pub at: EventAt,
    /// What became of it.
    pub result: RetryResult,
}

/// What became of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryResult {
    /// It is done; the next of its key moves up.
    Done,
    /// It waits again or is dead.
    Held {
        /// What it waits for.
        state: HeldState,
        /// Attempts spent.
        attempts: u32,
        /// Why.
        failure: Failure,
        /// Indexes of its messages that were delivered so far.
        delivered: Vec<u32>,
    },
}
