//! Sources: where events come from.

mod columns;
mod port;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use columns::Columns;
pub use port::{BatchLimit, ReadBatch, Source, SourceError, Start};
