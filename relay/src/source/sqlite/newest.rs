//! The newest rows, for who wants to look at some.

use futures_util::TryStreamExt as _;
use relay_engine::event::EventBatch;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::SqliteSourceConfig;
use super::failure::classify;
use super::inspect::{columns_of, inspect};
use super::rows::Decoder;
use super::source::read_only;
use crate::source::SourceError;
use crate::source::timestamp::now_microseconds;

const NEWEST: &str = include_str!("newest.sql");

/// The newest `count` events of the outbox, oldest first. Reads once and keeps nothing open.
///
/// # Errors
/// When the file is not there, or holds no outbox that a source could read.
pub async fn newest(config: &SqliteSourceConfig, count: usize) -> Result<EventBatch, SourceError> {
    let options = read_only(config)?;
    let mut connection = options.connect().await.map_err(|error| classify("opening the file", error))?;
    inspect(&mut connection, config).await?;
    let statement = AssertSqlSafe(columns_of(config, NEWEST));
    let rows: Vec<_> = sqlx::query(statement)
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .fetch(&mut connection)
        .try_collect()
        .await
        .map_err(|error| classify("reading the newest rows", error))?;
    let (mut decoder, mut batch, read_at) = (Decoder::new(config), EventBatch::default(), now_microseconds());
    for row in rows.iter().rev() {
        decoder.push(&mut batch, row, read_at)?;
    }
    Ok(batch)
}
