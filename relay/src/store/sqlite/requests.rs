//! Retry requests: written by the command line, carried out by the owner of the lane.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Executor, Sqlite};

use relay_engine::event::KeyId;

use super::fault::sqlite_error;
use super::lane::advance_lane;
use super::session::{Session, statement};
use crate::store::rows::{StoredRow as _, read_key};
use crate::store::{DeadFilter, LaneId, Lease, StoreError};

/// Dead letters of one request revived per call: a larger request goes on with the next call, so that the
/// application's writes get their turn in between.
const LETTERS_PER_CALL: i64 = 1_000;

pub(super) async fn request_retry(session: &Session, filter: &DeadFilter) -> Result<u64, StoreError> {
    let mut transaction = session.write().await?;
    let row = filtered(include_str!("sql/count_dead.sql"), filter)
        .fetch_one(&mut *transaction)
        .await
        .map_err(sqlite_error)?;
    filtered(include_str!("sql/request_retry.sql"), filter)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite_error)?;
    transaction.commit().await.map_err(sqlite_error)?;
    Ok(row.number("letters")?.cast_unsigned())
}

fn filtered(sql: &'static str, filter: &DeadFilter) -> Query<'static, Sqlite, SqliteArguments> {
    statement(sql)
        .bind(filter.pipeline.clone())
        .bind(filter.sink.clone())
        .bind(filter.event_id.clone())
        .bind(filter.aggregate_id.clone())
        .bind(filter.code.clone())
}

pub(super) async fn apply_requests(
    session: &Session,
    lane: &LaneId,
    lease: &mut Lease,
) -> Result<Vec<KeyId>, StoreError> {
    // Asked outside the write lock: nearly always there is nothing to do.
    if open_requests(session.readers(), lane).await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = session.write().await?;
    advance_lane(&mut transaction, lane, lease).await?;
    let mut revived = Vec::new();
    for request in open_requests(&mut *transaction, lane).await? {
        revived.extend(revive(&mut transaction, lane, &request).await?);
    }
    transaction.commit().await.map_err(sqlite_error)?;
    lease.version += 1;
    Ok(revived)
}

async fn open_requests(
    executor: impl Executor<'_, Database = Sqlite>,
    lane: &LaneId,
) -> Result<Vec<SqliteRow>, StoreError> {
    statement(include_str!("sql/open_requests.sql"))
        .bind(lane.pipeline.clone())
        .bind(lane.sink.clone())
        .fetch_all(executor)
        .await
        .map_err(sqlite_error)
}

async fn revive(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    request: &SqliteRow,
) -> Result<Vec<KeyId>, StoreError> {
    let id = request.number("id")?;
    let revived = statement(include_str!("sql/revive.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(id)
        .bind(request.optional_text("event_id")?)
        .bind(request.optional_text("aggregate_id")?)
        .bind(request.optional_text("code")?)
        .bind(LETTERS_PER_CALL)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite_error)?;
    let keys = revived
        .iter()
        .map(|row| read_key(&row.optional_bytes("key_id")?.unwrap_or_default()))
        .collect::<Result<Vec<_>, _>>()?;
    let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    statement(include_str!("sql/promote_revived.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(id)
        .execute(&mut *connection)
        .await
        .map_err(sqlite_error)?;
    statement(include_str!("sql/close_request.sql"))
        .bind(id)
        .bind(count)
        .bind(count < LETTERS_PER_CALL)
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    Ok(keys)
}
