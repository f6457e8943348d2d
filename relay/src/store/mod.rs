//! Stores: where progress, parked events and dead letters are kept.
//!
//! - [`memory`]: for tests and trials, gone with the process
//! - `postgres`: a schema of its own, in the source's database or another
//! - `sqlite`: tables of its own in the application's database file
//!
//! What the SQL stores share is private here: the text form of messages (`encoding`), the columns of an event
//! (`rows`), how large events are (`sampling`) and what a driver's error means (`fault`).

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod encoding;
mod fault;
pub mod memory;
mod port;
#[cfg(feature = "postgres")]
pub mod postgres;
mod promotion;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sampling;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use port::{
    Acquired, Applied, Claim, DeadAction, DeadAgain, DeadFilter, DeadLetter, DueLimit, Extent, HeldEvent,
    HeldKey, HeldRecord, HeldState, Holder, KeyQueue, LaneId, LaneRecord, LaneSummary, Lease, Outcome,
    ParkedEvent, Requested, Retried, RetryResult, Settlement, Store, StoreError, WaitsFor,
};
