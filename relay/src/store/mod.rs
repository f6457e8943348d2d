//! Stores: where progress, parked events and dead letters are kept.

pub mod memory;
mod port;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use port::{
    DeadFilter, DeadLetter, HeldEvent, HeldState, LaneId, LaneRecord, LaneSummary, Lease, ParkedEvent,
    Retried, RetryResult, Settlement, Store, StoreError,
};
