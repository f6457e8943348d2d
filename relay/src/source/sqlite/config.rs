//! Settings of an SQLite source.

use std::path::PathBuf;
use std::time::Duration;

use crate::source::Columns;

/// Settings of one SQLite source, already validated.
#[derive(Debug, Clone)]
pub struct SqliteSourceConfig {
    /// The name in the configuration.
    pub name: String,
    /// The database file.
    pub path: PathBuf,
    /// Name of the outbox table.
    pub table: String,
    /// Column names.
    pub columns: Columns,
    /// The largest payload that is read, in bytes; of a larger one only the size is.
    pub max_payload: usize,
    /// Pause between empty polls while events flow.
    pub poll_busy: Duration,
    /// The longest pause, reached when nothing comes.
    pub poll_idle: Duration,
}
