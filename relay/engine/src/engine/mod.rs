//! The state machine of one lane.
//!
//! Inputs are batches, outcomes, due retries and the passing of time; outputs are [`Command`]s. It holds no
//! clock, no randomness of its own and does no I/O, so that a seed replays every decision it made.
//!
//! Three rules carry the guarantees:
//! - Progress moves only over events that are delivered, discarded, or recorded as parked, blocked or dead in
//!   the same settlement.
//! - An event of a key with held events is never sent: it is blocked behind them.
//! - Only a fault of the event costs it an attempt; an outage stops the lane and costs nothing.

mod backoff;
mod circuit;
mod command;
mod keys;
mod lane;
mod plan;
mod sending;
mod settlement;
mod window;

pub use backoff::RetryPolicy;
pub use command::{Command, HeldPlan, HeldState, Progress, RetriedPlan, RetryResult, SettlePlan};
pub use lane::{Lane, LaneConfig, LaneStatus, OnDead, Outage};
pub use plan::{BatchId, EventAt, Plan, PlannedEvent, RetryEvent};
