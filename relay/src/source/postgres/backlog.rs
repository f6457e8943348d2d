//! How much is committed behind a position, for people.

use relay_engine::event::{Position, Shard};

use super::PostgresSourceConfig;
use super::inspect::inspect;
use super::place::Place;
use super::script::Statements;
use super::session::{Session, field, text};
use crate::source::timestamp::parse_microseconds;
use crate::source::{Backlog, SourceError};

/// What is committed behind each of `positions` among the keys of its shard; `None` for one that cannot be compared with
/// this database. Reads once and keeps nothing open.
///
/// # Errors
/// When the database does not answer, or the table is no outbox that a source could read.
pub async fn backlogs(
    config: &PostgresSourceConfig,
    positions: &[(Shard, Position)],
) -> Result<Vec<Option<Backlog>>, SourceError> {
    let mut session = Session::connect(config).await?;
    let found = inspect(&mut session, config).await?;
    let mut backlogs = Vec::with_capacity(positions.len());
    for (shard, position) in positions {
        let place: Option<Place> = position.base.parse().ok();
        let Some(place) = place.filter(|place| place.incarnation == found.incarnation) else {
            backlogs.push(None);
            continue;
        };
        let config = PostgresSourceConfig { shard: *shard, ..config.clone() };
        let statement = Statements::new(&config, found.payload).backlog(&place, position.after);
        let rows = session.query("counting what waits", config.statement_timeout, &statement).await?;
        let Some(row) = rows.first() else {
            backlogs.push(None);
            continue;
        };
        let events: u64 = field(row, 0)?;
        let oldest = text(row, 1)?.and_then(parse_microseconds);
        backlogs.push(Some(Backlog { events: events.min(Backlog::MOST), oldest }));
    }
    Ok(backlogs)
}
