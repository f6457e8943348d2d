//! Wires the parts, owns all tasks, drains.

mod compiler;
#[cfg(all(feature = "sqlite", feature = "http"))]
mod demo;
mod error;
mod hangup;
mod lanes;
pub mod outbox;
mod run;
mod signals;
mod stores;

pub use compiler::compile;
#[cfg(all(feature = "sqlite", feature = "http"))]
pub use demo::{DemoOptions, demo};
pub use error::AppError;
pub use run::{Ending, RunOptions, run};
pub use stores::open_stores;
