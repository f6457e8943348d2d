//! Settlement: the one transaction that moves progress and the side table together.
//!
//! The lane's row comes first: its compare-and-set takes the row lock behind which every other writer of the
//! lane waits, and a loser leaves before it has touched an event.

use sqlx::postgres::PgConnection;

use super::fault::postgres_error;
use super::lane::settle_lane;
use super::session::{Session, statement};
use crate::store::encoding::write_names;
use crate::store::promotion::keys_to_promote;
use crate::store::rows::{HeldRow, RetriedRow, key_bytes, split_retried};
use crate::store::{HeldEvent, LaneId, Lease, Retried, Settlement, StoreError};

/// Events per statement: one round trip for many, and no more of their payloads copied at a time than this.
const EVENTS_PER_STATEMENT: usize = 500;

pub(super) async fn settle(
    session: &Session,
    lane: &LaneId,
    lease: &mut Lease,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let mut transaction = session.write().await?;
    settle_lane(&mut transaction, lane, lease, settlement).await?;
    if !settlement.retried.is_empty() {
        retried(&mut transaction, lane, &settlement.retried, &settlement.generation).await?;
    }
    for held in settlement.held.chunks(EVENTS_PER_STATEMENT) {
        hold(&mut transaction, lane, held).await?;
    }
    promote(&mut transaction, lane, settlement).await?;
    transaction.commit().await.map_err(postgres_error)?;
    lease.version += 1;
    Ok(())
}

async fn retried(
    connection: &mut PgConnection,
    lane: &LaneId,
    retried: &[Retried],
    generation: &[String],
) -> Result<(), StoreError> {
    let (done, held) = split_retried(retried)?;
    if !done.is_empty() {
        statement(include_str!("sql/release.sql"))
            .bind(&lane.pipeline)
            .bind(&lane.sink)
            .bind(done)
            .execute(&mut *connection)
            .await
            .map_err(postgres_error)?;
    }
    if !held.is_empty() {
        hold_again(connection, lane, &held, generation).await?;
    }
    Ok(())
}

async fn hold_again(
    connection: &mut PgConnection,
    lane: &LaneId,
    rows: &[RetriedRow<'_>],
    generation: &[String],
) -> Result<(), StoreError> {
    statement(include_str!("sql/hold_again.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(write_names(generation)?)
        .bind(column(rows, |row| row.event_id))
        .bind(column(rows, |row| row.state))
        .bind(column(rows, |row| row.wait))
        .bind(column(rows, |row| row.attempts))
        .bind(column(rows, |row| row.code.as_ref()))
        .bind(column(rows, |row| row.detail.as_ref()))
        .bind(column(rows, |row| row.messages.as_deref()))
        .bind(column(rows, |row| row.delivered.as_str()))
        .execute(connection)
        .await
        .map_err(postgres_error)?;
    Ok(())
}

async fn hold(connection: &mut PgConnection, lane: &LaneId, held: &[HeldEvent]) -> Result<(), StoreError> {
    let rows = &held.iter().map(HeldRow::of).collect::<Result<Vec<_>, _>>()?;
    statement(include_str!("sql/hold.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(column(rows, |row| row.event.id.as_str()))
        .bind(column(rows, HeldRow::sequence))
        .bind(column(rows, |row| row.key.as_slice()))
        .bind(column(rows, |row| row.event.aggregate_type.as_str()))
        .bind(column(rows, |row| row.event.aggregate_id.as_str()))
        .bind(column(rows, |row| row.event.event_type.as_str()))
        .bind(column(rows, |row| row.event.content_type.as_deref()))
        .bind(column(rows, |row| row.event.payload.as_deref()))
        .bind(column(rows, |row| row.headers.as_str()))
        .bind(column(rows, |row| row.attributes.as_str()))
        .bind(column(rows, HeldRow::occurred_at))
        .bind(column(rows, |row| row.state))
        .bind(column(rows, |row| row.attempts))
        .bind(column(rows, |row| row.wait))
        .bind(column(rows, |row| row.code.as_deref()))
        .bind(column(rows, |row| row.detail.as_deref()))
        .bind(column(rows, |row| row.messages.as_deref()))
        .bind(column(rows, |row| row.delivered.as_str()))
        .bind(column(rows, |row| row.generation.as_str()))
        .bind(lane.shard.number())
        .execute(connection)
        .await
        .map_err(postgres_error)?;
    Ok(())
}

async fn promote(
    connection: &mut PgConnection,
    lane: &LaneId,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let keys: Vec<Vec<u8>> =
        keys_to_promote(settlement).into_iter().map(|key| key_bytes(key).to_vec()).collect();
    if keys.is_empty() {
        return Ok(());
    }
    statement(include_str!("sql/promote.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(&keys)
        .bind(settlement.skip_dead)
        .execute(&mut *connection)
        .await
        .map_err(postgres_error)?;
    if let Some(failure) = &settlement.buries {
        statement(include_str!("sql/bury.sql"))
            .bind(&lane.pipeline)
            .bind(&lane.sink)
            .bind(&keys)
            .bind(failure.code.as_ref())
            .bind(&failure.detail)
            .execute(connection)
            .await
            .map_err(postgres_error)?;
    }
    Ok(())
}

/// One column of `rows`, as an array to unnest.
fn column<'r, R, V>(rows: &'r [R], value: impl Fn(&'r R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
