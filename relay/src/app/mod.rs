//! Wires the parts, owns all tasks, drains.

mod backlog;
mod budget;
mod compiler;
#[cfg(all(feature = "sqlite", feature = "http"))]
mod demo;
#[cfg(feature = "sqlite")]
mod dev;
mod error;
mod hangup;
mod histories;
mod lanes;
mod operators;
pub mod outbox;
mod pipeline_cases;
mod process;
mod recorded;
mod run;
mod signals;
mod stores;
mod tables;
#[cfg(feature = "sqlite")]
mod temporary;
mod trace;

pub use backlog::backlogs;
pub use budget::MemoryBudget;
pub use compiler::{CompileOptions, compile};
#[cfg(all(feature = "sqlite", feature = "http"))]
pub use demo::{DemoOptions, demo};
#[cfg(feature = "sqlite")]
pub use dev::{DevOptions, Differing, Fate, Live, News, Parts, Subject, dev};
pub use error::AppError;
pub use pipeline_cases::pipeline_cases;
pub use recorded::newest_events;
pub use run::{Ending, RunOptions, run};
pub use stores::open_stores;
pub use tables::{TriedTable, try_tables};
pub use trace::{EventFate, LaneTrace, Trace, TracedRow, trace};
