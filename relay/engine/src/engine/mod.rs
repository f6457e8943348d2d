//! The state machine of one lane.
//!
//! Inputs are batches, outcomes, due retries and the passing of time; outputs are [`Command`]s. It holds no
//! clock, no randomness of its own and does no I/O, so that a seed replays every decision it made.
//!
//! Five rules carry the guarantees:
//! - Progress moves only over events that are delivered, discarded, or recorded as parked, blocked or dead in
//!   the same settlement.
//! - An event of a key with held events is never sent: it is blocked behind them.
//! - Only a fault of the event costs it an attempt; an outage stops the lane and costs nothing.
//! - When most events fail, the fault is not theirs: a storm stops the lane like an outage.
//! - The side table has limits; at one, progress stops before the event that finds no room.

mod backoff;
mod circuit;
mod command;
mod config;
mod keys;
mod lane;
mod limits;
mod plan;
mod recording;
mod sending;
mod settlement;
mod storm;
mod weather;
mod window;

pub use backoff::RetryPolicy;
pub use circuit::{Cause, Outage};
pub use command::{Command, HeldPlan, HeldState, Progress, RetriedPlan, RetryResult, SettlePlan};
pub use config::{LaneConfig, LaneStatus, OnDead};
pub use lane::Lane;
pub use limits::{Amount, Full, HELD_LIMITS, HeldKind, HeldLimits};
pub use plan::{BatchId, EventAt, HeldBytes, HeldKey, Plan, PlannedEvent, RetryEvent, destination};
pub use settlement::with_its_key;
pub use storm::{STORM, StormLimit};
