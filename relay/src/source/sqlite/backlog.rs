//! How much is committed behind a position, for people.

use relay_engine::event::Position;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::SqliteSourceConfig;
use super::ddl::identifier;
use super::failure::classify;
use super::inspect::{columns_of, inspect};
use super::rows::microseconds;
use super::source::{BASE, read_only};
use crate::source::{Backlog, SourceError};

const BACKLOG: &str = include_str!("backlog.sql");
const DOING: &str = "counting what waits";

/// What is committed behind each of `positions`; `None` for one that is not of an SQLite outbox. Reads once and keeps
/// nothing open.
///
/// # Errors
/// When the file is not there, or holds no outbox that a source could read.
pub async fn backlogs(
    config: &SqliteSourceConfig,
    positions: &[Position],
) -> Result<Vec<Option<Backlog>>, SourceError> {
    let mut connection = read_only(config)?.connect().await.map_err(|error| classify(DOING, error))?;
    inspect(&mut connection, config).await?;
    let time = config.columns.occurred_at.as_ref().map_or_else(|| "NULL".to_owned(), |name| identifier(name));
    let statement = columns_of(config, BACKLOG).replace("{time}", &time);
    let mut backlogs = Vec::with_capacity(positions.len());
    for position in positions {
        if position.base != BASE {
            backlogs.push(None);
            continue;
        }
        let row = sqlx::query(AssertSqlSafe(statement.as_str()))
            .bind(position.after.cast_signed())
            .bind(Backlog::MOST.cast_signed())
            .fetch_one(&mut connection)
            .await
            .map_err(|error| classify(DOING, error))?;
        let events: i64 = row.try_get_unchecked(0).map_err(|error| classify(DOING, error))?;
        backlogs.push(Some(Backlog { events: events.cast_unsigned(), oldest: microseconds(&row, 1)? }));
    }
    Ok(backlogs)
}
