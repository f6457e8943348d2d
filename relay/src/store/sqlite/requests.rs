//! Requests about dead letters: written by the command line, carried out by the owner of the lane.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Executor, Sqlite};

use super::fault::sqlite_error;
use super::lane::advance_lane;
use super::letters::filtered;
use super::session::{Session, statement};
use super::settle::json;
use relay_engine::event::KeyId;

use crate::store::encoding::write_names;
use crate::store::rows::{
    DROP, RERUN, StoredRow as _, action_payload, action_word, read_extent, read_keys, read_outcome,
};
use crate::store::{Applied, DeadAction, DeadFilter, Extent, LaneId, Lease, Outcome, Requested, StoreError};

/// Dead letters of one request revived per call: a larger request goes on with the next call, so that the
/// application's writes get their turn in between.
const LETTERS_PER_CALL: i64 = 1_000;

const REQUEST: &str = concat!(include_str!("sql/meant.sql"), include_str!("sql/request.sql"));
const EXTENT: &str = concat!(include_str!("sql/meant.sql"), include_str!("sql/extent.sql"));
const REVIVE_LETTERS: &str = concat!(include_str!("sql/revive.sql"), include_str!("sql/chosen_letters.sql"));
const DROP_LETTERS: &str = concat!(include_str!("sql/drop.sql"), include_str!("sql/chosen_letters.sql"));

pub(super) async fn request(
    session: &Session,
    filter: &DeadFilter,
    action: &DeadAction,
) -> Result<Requested, StoreError> {
    let mut transaction = session.write().await?;
    let extent = filtered(EXTENT, filter).fetch_one(&mut *transaction).await.map_err(sqlite_error)?;
    let rows = filtered(REQUEST, filter)
        .bind(action_word(action))
        .bind(action_payload(action).map(<[u8]>::to_vec))
        .fetch_all(&mut *transaction)
        .await
        .map_err(sqlite_error)?;
    transaction.commit().await.map_err(sqlite_error)?;
    let requests = rows.iter().map(|row| row.number("id")).collect::<Result<_, _>>()?;
    Ok(Requested { letters: read_extent(&extent)?.letters, requests })
}

pub(super) async fn extent(session: &Session, filter: &DeadFilter) -> Result<Extent, StoreError> {
    let row = filtered(EXTENT, filter).fetch_one(session.readers()).await.map_err(sqlite_error)?;
    read_extent(&row)
}

pub(super) async fn outcome(session: &Session, requests: &[i64]) -> Result<Outcome, StoreError> {
    let requests = json(&requests)?;
    // Both questions are about one moment.
    let mut reading = session.readers().begin().await.map_err(sqlite_error)?;
    let rows = statement(include_str!("sql/outcome.sql"))
        .bind(&requests)
        .fetch_all(&mut *reading)
        .await
        .map_err(sqlite_error)?;
    let dead = statement(include_str!("sql/dead_again.sql"))
        .bind(&requests)
        .fetch_all(&mut *reading)
        .await
        .map_err(sqlite_error)?;
    reading.commit().await.map_err(sqlite_error)?;
    read_outcome(&rows, &dead)
}

pub(super) async fn apply_requests(
    session: &Session,
    lane: &LaneId,
    lease: &mut Lease,
) -> Result<Applied, StoreError> {
    // Asked outside the write lock: nearly always there is nothing to do.
    if open_requests(session.readers(), lane).await?.is_empty() {
        return Ok(Applied::default());
    }
    let mut transaction = session.write().await?;
    advance_lane(&mut transaction, lane, lease).await?;
    let mut applied = Applied::default();
    for request in open_requests(&mut *transaction, lane).await? {
        apply(&mut transaction, lane, &request, &mut applied).await?;
    }
    transaction.commit().await.map_err(sqlite_error)?;
    lease.version += 1;
    Ok(applied)
}

async fn open_requests(
    executor: impl Executor<'_, Database = Sqlite>,
    lane: &LaneId,
) -> Result<Vec<SqliteRow>, StoreError> {
    statement(include_str!("sql/open_requests.sql"))
        .bind(lane.pipeline.clone())
        .bind(lane.sink.clone())
        .bind(lane.shard.number())
        .fetch_all(executor)
        .await
        .map_err(sqlite_error)
}

/// Carries out as much of one request as one call may.
async fn apply(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    request: &SqliteRow,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    let action = request.text("action")?;
    let keys = letters(connection, lane, request, &action).await?;
    let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    if action == DROP {
        let touched: Vec<String> = keys.iter().map(|key| format!("{:032x}", key.0)).collect();
        let touched = json(&touched)?;
        statement(include_str!("sql/promote.sql"))
            .bind(&lane.pipeline)
            .bind(&lane.sink)
            .bind(touched)
            .bind(false)
            .execute(&mut *connection)
            .await
            .map_err(sqlite_error)?;
        applied.dropped.extend(keys);
    } else {
        statement(include_str!("sql/promote_revived.sql"))
            .bind(&lane.pipeline)
            .bind(&lane.sink)
            .bind(request.number("id")?)
            .execute(&mut *connection)
            .await
            .map_err(sqlite_error)?;
        applied.parked.extend(keys);
    }
    statement(include_str!("sql/close_request.sql"))
        .bind(request.number("id")?)
        .bind(count)
        .bind(count < LETTERS_PER_CALL)
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    Ok(())
}

/// Revives or drops the letters that the request means; returns their keys.
async fn letters(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    request: &SqliteRow,
    action: &str,
) -> Result<Vec<KeyId>, StoreError> {
    let drops = action == DROP;
    let sql = if drops { DROP_LETTERS } else { REVIVE_LETTERS };
    let mut chosen = statement(sql)
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(request.number("id")?)
        .bind(request.optional_text("event_id")?)
        .bind(request.optional_text("aggregate_id")?)
        .bind(request.optional_text("code")?)
        .bind(request.optional_number("dead_before")?)
        .bind(LETTERS_PER_CALL)
        .bind(lane.shard.number());
    if !drops {
        let no_slots = write_names(&[])?;
        chosen = chosen.bind(action == RERUN).bind(request.optional_bytes("payload")?).bind(no_slots);
    }
    let rows = chosen.fetch_all(connection).await.map_err(sqlite_error)?;
    read_keys(&rows)
}
