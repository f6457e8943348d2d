//! One event, for who asks what became of it.

use relay_engine::event::{EventBatch, OwnedEvent, Position};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::SqliteSourceConfig;
use super::ddl::identifier;
use super::failure::classify;
use super::inspect::{columns_of, inspect};
use super::rows::Decoder;
use super::source::{BASE, read_only};
use crate::source::timestamp::now_microseconds;
use crate::source::{Committed, SourceError, Standing};

const FIND: &str = include_str!("find.sql");
const DOING: &str = "looking for an event";

/// The event with this id, and where it stands for each of `positions`; `None` where no row has it. Reads once and keeps
/// nothing open.
///
/// # Errors
/// When the file is not there, or holds no outbox that a source could read.
pub async fn find(
    config: &SqliteSourceConfig,
    id: &str,
    positions: &[Position],
) -> Result<Option<Committed>, SourceError> {
    let mut connection = read_only(config)?.connect().await.map_err(|error| classify(DOING, error))?;
    inspect(&mut connection, config).await?;
    let (name, sequence) = (identifier(&config.columns.id), identifier(&config.columns.sequence));
    let mut row = row(&mut connection, config, &format!("{name} = ?1"), id).await?;
    // A row without an id has its sequence as one.
    if row.is_none() && id.parse::<u64>().is_ok() {
        let condition = format!("{name} IS NULL AND {sequence} = CAST(?1 AS INTEGER)");
        row = self::row(&mut connection, config, &condition, id).await?;
    }
    row.map(|row| committed(&row, config, positions)).transpose()
}

async fn row(
    connection: &mut SqliteConnection,
    config: &SqliteSourceConfig,
    condition: &str,
    id: &str,
) -> Result<Option<SqliteRow>, SourceError> {
    let statement = columns_of(config, FIND).replace("{condition}", condition);
    let found = sqlx::query(AssertSqlSafe(statement)).bind(id).fetch_optional(connection);
    found.await.map_err(|error| classify(DOING, error))
}

fn committed(
    row: &SqliteRow,
    config: &SqliteSourceConfig,
    positions: &[Position],
) -> Result<Committed, SourceError> {
    let mut batch = EventBatch::default();
    let (sequence, _) = Decoder::new(config).push(&mut batch, row, now_microseconds())?;
    let rows: i64 =
        row.try_get_unchecked(row.len().saturating_sub(1)).map_err(|error| classify(DOING, error))?;
    Ok(Committed {
        key_hash: None,
        event: batch.get(0).map(OwnedEvent::from).unwrap_or_default(),
        transaction: None,
        rows: rows.cast_unsigned(),
        standings: positions.iter().map(|position| standing(sequence, position)).collect(),
    })
}

fn standing(sequence: u64, position: &Position) -> Standing {
    if position.base != BASE {
        Standing::Unknown(format!("the position {position} is not one of an SQLite outbox"))
    } else if sequence <= position.after {
        Standing::Passed
    } else {
        Standing::Ahead
    }
}
