//! Settlement: the one transaction that moves progress and the side table together.
//!
//! The write lock is taken at the beginning, so that nothing can come between the compare-and-set and the rest.
//! Everything is encoded before that: the application waits for this lock.

use relay_engine::outcome::Failure;
use sqlx::sqlite::SqliteConnection;

use super::fault::sqlite_error;
use super::lane::settle_lane;
use super::session::{Session, statement};
use crate::store::encoding::write_names;
use crate::store::fault::{Cause, store_error};
use crate::store::promotion::keys_to_promote;
use crate::store::rows::{HeldRow, split_retried};
use crate::store::{LaneId, Lease, Settlement, StoreError};

pub(super) async fn settle(
    session: &Session,
    lane: &LaneId,
    lease: &mut Lease,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let held = settlement.held.iter().map(HeldRow::of).collect::<Result<Vec<_>, _>>()?;
    let (done, again) = split_retried(&settlement.retried)?;
    let done = (!done.is_empty()).then(|| json(&done)).transpose()?;
    let again = (!again.is_empty()).then(|| json(&again)).transpose()?;
    let keys: Vec<String> =
        keys_to_promote(settlement).into_iter().map(|key| format!("{:032x}", key.0)).collect();
    let keys = (!keys.is_empty()).then(|| json(&keys)).transpose()?;

    let mut transaction = session.write().await?;
    settle_lane(&mut transaction, lane, lease, settlement).await?;
    if let Some(done) = done {
        release(&mut transaction, lane, done).await?;
    }
    if let Some(again) = again {
        hold_again(&mut transaction, lane, again, &settlement.generation).await?;
    }
    for row in &held {
        hold(&mut transaction, lane, row).await?;
    }
    if let Some(keys) = keys {
        promote(&mut transaction, lane, &keys, settlement.skip_dead).await?;
        if let Some(failure) = &settlement.buries {
            bury(&mut transaction, lane, &keys, failure).await?;
        }
    }
    transaction.commit().await.map_err(sqlite_error)?;
    lease.version += 1;
    Ok(())
}

/// A list as one value: SQLite has no arrays.
pub(super) fn json(list: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(list)
        .map_err(|error| store_error(Cause::Rejected, format!("a list can't be written: {error}"), None))
}

async fn release(connection: &mut SqliteConnection, lane: &LaneId, done: String) -> Result<(), StoreError> {
    for sql in [include_str!("sql/credit_requests.sql"), include_str!("sql/release.sql")] {
        statement(sql)
            .bind(&lane.pipeline)
            .bind(&lane.sink)
            .bind(&done)
            .execute(&mut *connection)
            .await
            .map_err(sqlite_error)?;
    }
    Ok(())
}

async fn hold_again(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    rows: String,
    generation: &[String],
) -> Result<(), StoreError> {
    statement(include_str!("sql/hold_again.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(write_names(generation)?)
        .bind(rows)
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    Ok(())
}

async fn hold(connection: &mut SqliteConnection, lane: &LaneId, row: &HeldRow<'_>) -> Result<(), StoreError> {
    statement(include_str!("sql/hold.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(&row.event.id)
        .bind(row.sequence())
        .bind(row.key.as_slice())
        .bind(&row.event.aggregate_type)
        .bind(&row.event.aggregate_id)
        .bind(&row.event.event_type)
        .bind(row.event.content_type.as_deref())
        .bind(row.event.payload.as_deref())
        .bind(&row.headers)
        .bind(&row.attributes)
        .bind(row.occurred_at())
        .bind(row.state)
        .bind(row.attempts)
        .bind(row.wait)
        .bind(row.code.as_deref())
        .bind(row.detail.as_deref())
        .bind(row.messages.as_deref())
        .bind(&row.delivered)
        .bind(&row.generation)
        .bind(lane.shard.number())
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    Ok(())
}

async fn promote(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    keys: &str,
    skip_dead: bool,
) -> Result<(), StoreError> {
    statement(include_str!("sql/promote.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(keys)
        .bind(skip_dead)
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    Ok(())
}

async fn bury(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    keys: &str,
    failure: &Failure,
) -> Result<(), StoreError> {
    statement(include_str!("sql/bury.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(keys)
        .bind(failure.code.as_ref())
        .bind(&failure.detail)
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    Ok(())
}
