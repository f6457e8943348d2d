//! One event, for who asks what became of it.

use relay_engine::event::{OwnedEvent, Position};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::PostgresSourceConfig;
use super::inspect::{Found, inspect};
use super::page::Rows;
use super::place::{Incarnation, Place};
use super::rows::Decoder;
use super::script::{Statements, identifier, literal};
use super::session::{Session, field, text};
use crate::source::{BatchLimit, Committed, SourceError, Standing};

const ID_TYPE: &str = include_str!("find_id_type.sql");
const DOING: &str = "looking for an event";

/// The committed event with this id, and where it stands for each of `positions`; `None` where no row has it. Reads once
/// and keeps nothing open.
///
/// # Errors
/// When the database does not answer, or the table is no outbox that a source could read.
pub async fn find(
    config: &PostgresSourceConfig,
    id: &str,
    positions: &[Position],
) -> Result<Option<Committed>, SourceError> {
    let mut session = Session::connect(config).await?;
    let found = inspect(&mut session, config).await?;
    let mut row = match condition(&mut session, config, id).await? {
        Some(condition) => row(&mut session, config, &found, &condition).await?,
        None => None,
    };
    // A row without an id has its sequence as one.
    if let (None, Ok(sequence)) = (&row, id.parse::<i64>()) {
        let columns = &config.columns;
        let (name, own) = (identifier(&columns.id), identifier(&columns.sequence));
        row = self::row(&mut session, config, &found, &format!("{name} IS NULL AND {own} = {sequence}"))
            .await?;
    }
    row.map(|row| committed(row, config, &found, positions)).transpose()
}

/// What finds the id, by its index where it has one; `None` where the column can't hold such an id.
async fn condition(
    session: &mut Session,
    config: &PostgresSourceConfig,
    id: &str,
) -> Result<Option<String>, SourceError> {
    let sql = ID_TYPE
        .replace("{schema}", &literal(&config.schema))
        .replace("{table}", &literal(&config.table))
        .replace("{column}", &literal(&config.columns.id));
    let types = session.query(DOING, config.statement_timeout, &sql).await?;
    let kind = types.first().map(|row| text(row, 0)).transpose()?.flatten().unwrap_or_default();
    let (name, value) = (identifier(&config.columns.id), literal(id));
    // No text in Postgres holds one.
    if id.contains('\0') {
        return Ok(None);
    }
    Ok(match kind {
        "uuid" => uuid::Uuid::parse_str(id).ok().map(|id| format!("{name} = {}", literal(&id.to_string()))),
        "text" | "character varying" => Some(format!("{name} = {value}")),
        _ => Some(format!("{name}::text = {value}")),
    })
}

async fn row(
    session: &mut Session,
    config: &PostgresSourceConfig,
    found: &Found,
    condition: &str,
) -> Result<Option<PgRow>, SourceError> {
    let statement = Statements::new(config, found.payload).find(condition);
    Ok(session.query(DOING, config.statement_timeout, &statement).await?.into_iter().next())
}

fn committed(
    row: PgRow,
    config: &PostgresSourceConfig,
    found: &Found,
    positions: &[Position],
) -> Result<Committed, SourceError> {
    let last = row.len().saturating_sub(1);
    let (transaction, rows) = (field(&row, last.saturating_sub(1))?, field(&row, last)?);
    let key_hash = field(&row, last.saturating_sub(2))?;
    let mut taken = Rows::new(BatchLimit { events: 1, bytes: usize::MAX });
    taken.take(row)?;
    let batch = Decoder::new(config, found.payload).batch(&taken.taken, taken.bytes)?;
    let event = batch.get(0).map(OwnedEvent::from).unwrap_or_default();
    let standings = positions
        .iter()
        .map(|position| standing(transaction, event.sequence, position, found.incarnation))
        .collect();
    Ok(Committed { event, transaction: Some(transaction), key_hash: Some(key_hash), rows, standings })
}

fn standing(transaction: u64, sequence: u64, position: &Position, now: Incarnation) -> Standing {
    let Ok(place) = position.base.parse::<Place>() else {
        return Standing::Unknown(format!("the position {position} is not one of a Postgres outbox"));
    };
    if place.incarnation != now {
        let what =
            "the lane settled last before a failover or a restore; it tells where it goes on once it runs";
        return Standing::Unknown(what.to_owned());
    }
    let in_target =
        place.target.as_ref().is_some_and(|it| it.sees(transaction)) && sequence <= position.after;
    if place.cursor.sees(transaction) || in_target { Standing::Passed } else { Standing::Ahead }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Incarnation = Incarnation { system: 7301, timeline: 1 };

    fn at(base: &str, after: u64) -> Position {
        Position { base: base.to_owned(), after }
    }

    #[test]
    fn a_transaction_is_passed_where_the_cursor_sees_it_however_late_it_committed() {
        let cursor = at("7301;1;0/0;10:20:12,15", 0);
        for (transaction, expected) in
            [(9, Standing::Passed), (12, Standing::Ahead), (14, Standing::Passed), (20, Standing::Ahead)]
        {
            assert_eq!(standing(transaction, 1, &cursor, NOW), expected, "{transaction}");
        }
    }

    #[test]
    fn within_a_target_the_sequence_decides() {
        let paging = at("7301;1;0/0;10:20:12;15:30:25", 100);
        assert_eq!(standing(12, 100, &paging, NOW), Standing::Passed);
        assert_eq!(standing(12, 101, &paging, NOW), Standing::Ahead);
        assert_eq!(standing(25, 1, &paging, NOW), Standing::Ahead);
        assert_eq!(standing(11, 101, &paging, NOW), Standing::Passed);
    }

    #[test]
    fn positions_of_another_history_are_not_compared() {
        for base in ["7301;2;0/0;10:20:", "1;1;0/0;10:20:", "sqlite"] {
            assert!(matches!(standing(1, 1, &at(base, 9), NOW), Standing::Unknown(_)), "{base}");
        }
    }
}
