//! Retry requests: written by the command line, carried out by the owner of the lane.

use sqlx::postgres::{PgConnection, PgRow};

use relay_engine::event::KeyId;

use super::fault::postgres_error;
use super::lane::advance_lane;
use super::session::{Session, statement};
use crate::store::rows::{StoredRow as _, read_key};
use crate::store::{DeadFilter, LaneId, Lease, StoreError};

/// Dead letters of one request revived per call: a larger request goes on with the next call, so that none
/// meets the statement timeout.
const LETTERS_PER_CALL: i64 = 10_000;

pub(super) async fn request_retry(session: &Session, filter: &DeadFilter) -> Result<u64, StoreError> {
    let mut transaction = session.write().await?;
    let row = statement(include_str!("sql/request_retry.sql"))
        .bind(filter.pipeline.as_deref())
        .bind(filter.sink.as_deref())
        .bind(filter.event_id.as_deref())
        .bind(filter.aggregate_id.as_deref())
        .bind(filter.code.as_deref())
        .fetch_one(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    Ok(row.number("letters")?.cast_unsigned())
}

pub(super) async fn apply_requests(
    session: &Session,
    lane: &LaneId,
    lease: &mut Lease,
) -> Result<Vec<KeyId>, StoreError> {
    let mut transaction = session.write().await?;
    let requests = statement(include_str!("sql/open_requests.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    if requests.is_empty() {
        transaction.commit().await.map_err(postgres_error)?;
        return Ok(Vec::new());
    }
    advance_lane(&mut transaction, lane, lease).await?;
    let mut revived = Vec::new();
    for request in &requests {
        revived.extend(revive(&mut transaction, lane, request).await?);
    }
    transaction.commit().await.map_err(postgres_error)?;
    lease.version += 1;
    Ok(revived)
}

async fn revive(
    connection: &mut PgConnection,
    lane: &LaneId,
    request: &PgRow,
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
        .map_err(postgres_error)?;
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
        .map_err(postgres_error)?;
    statement(include_str!("sql/close_request.sql"))
        .bind(id)
        .bind(count)
        .bind(count < LETTERS_PER_CALL)
        .execute(connection)
        .await
        .map_err(postgres_error)?;
    Ok(keys)
}
