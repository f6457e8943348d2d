//! Settings of a Postgres source.

use std::time::Duration;

use relay_engine::event::Shard;

use crate::source::Columns;

/// Settings of one Postgres source, already validated.
#[derive(Debug, Clone)]
pub struct PostgresSourceConfig {
    /// The name in the configuration.
    pub name: String,
    /// Connection URL; may hold a password, so it is never logged.
    pub url: String,
    /// Schema of the outbox table.
    pub schema: String,
    /// Name of the outbox table.
    pub table: String,
    /// Column names. `txid` is always called `txid`.
    pub columns: Columns,
    /// Pause between empty polls while events flow.
    pub poll_busy: Duration,
    /// The longest pause, reached when nothing comes.
    pub poll_idle: Duration,
    /// The largest payload that is read, in bytes; of a larger one only the size is.
    pub max_payload: usize,
    /// Which keys are read.
    pub shard: Shard,
    /// Bound on every statement.
    pub statement_timeout: Duration,
}
