//! The newest rows, for who wants to look at some.

use relay_engine::event::EventBatch;

use super::PostgresSourceConfig;
use super::inspect::inspect;
use super::page::Rows;
use super::rows::Decoder;
use super::script::Statements;
use super::session::Session;
use crate::source::{BatchLimit, SourceError};

/// Bytes of payload that are looked at: some megabytes are shown by nobody.
const MOST_BYTES: usize = 16 << 20;

/// The newest `count` committed events of the outbox, oldest first. Reads once and keeps nothing open.
///
/// # Errors
/// When the database does not answer, or the table is no outbox that a source could read.
pub async fn newest(config: &PostgresSourceConfig, count: usize) -> Result<EventBatch, SourceError> {
    let mut session = Session::connect(config).await?;
    let found = inspect(&mut session, config).await?;
    let statement = Statements::new(config, found.payload).newest(count);
    let rows = session.query("reading the newest rows", config.statement_timeout, &statement).await?;
    let mut newest = Rows::new(BatchLimit { events: count, bytes: MOST_BYTES });
    for row in rows {
        newest.take(row)?;
    }
    newest.taken.reverse();
    Decoder::new(config, found.payload).batch(&newest.taken, newest.bytes)
}
