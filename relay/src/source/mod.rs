//! Sources: where events come from.

mod columns;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod headers;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod pause;
mod port;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod timer;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod timestamp;

pub use columns::Columns;
pub(crate) use port::position_between;
pub use port::{
    Backlog, BatchLimit, Committed, ReadBatch, Sent, SentEvent, Source, SourceError, Standing, Start,
};
