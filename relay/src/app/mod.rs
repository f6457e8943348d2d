//! Wires the parts, owns all tasks, drains.

pub mod outbox;

use std::sync::Arc;

use crate::config::Config;
use crate::plugin::PluginError;
use crate::source::SourceError;
use crate::store::{Store, StoreError};

/// What `relay run` is asked for beside its configuration.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// This relay's name, as status shows it.
    pub owner: String,
}

/// What `relay demo` is asked for.
#[derive(Debug, Clone, Copy)]
pub struct DemoOptions {
    /// Kill the relay process in the middle and start it again.
    pub kill: bool,
    /// How many events the writer commits.
    pub events: u32,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After a signal, with everything in flight settled.
    Drained,
    /// By a second SIGINT.
    Interrupted,
    /// By a second SIGTERM.
    Terminated,
}

/// Why a relay can't run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A plugin.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// Anything else that an operator has to change.
    #[error("{code}: {what}; {remedy}")]
    Refused {
        /// Stable code.
        code: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}

/// The store of each source, by the source's name.
///
/// # Errors
/// When one can't be opened.
#[expect(clippy::unused_async, reason = "the lead's version connects")]
pub async fn open_stores(_config: &Config) -> Result<Vec<(String, Arc<dyn Store>)>, AppError> {
    Err(not_wired("opening stores"))
}

/// Relays until a signal.
///
/// # Errors
/// When a part can't start, or stops for good.
#[expect(clippy::unused_async, reason = "the lead's version runs")]
pub async fn run(_config: Config, _options: RunOptions) -> Result<Ending, AppError> {
    Err(not_wired("relaying"))
}

/// Shows the relay at work.
///
/// # Errors
/// When what was delivered is not what was committed, or a part can't start.
#[expect(clippy::unused_async, reason = "the lead's version runs")]
pub async fn demo(_options: DemoOptions) -> Result<(), AppError> {
    Err(not_wired("the demo"))
}

fn not_wired(what: &str) -> AppError {
    AppError::Refused {
        code: "C042",
        what: format!("{what} is wired on the lead's branch"),
        remedy: "merge it".to_owned(),
    }
}
