//! Reading the side table: what is due, what is dead, what is held of one event.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use relay_engine::event::KeyId;

use super::fault::postgres_error;
use super::session::{Session, statement};
use crate::store::rows::{StoredRow as _, key_bytes, read_dead, read_held, read_parked, read_queue};
use crate::store::{DeadFilter, DeadLetter, DueLimit, HeldRecord, KeyQueue, LaneId, ParkedEvent, StoreError};

const DEAD: &str = concat!(include_str!("sql/meant.sql"), include_str!("sql/dead.sql"));

/// A statement that begins with `meant.sql`, for the letters that `filter` means.
pub(super) fn filtered(sql: &'static str, filter: &DeadFilter) -> Query<'static, Postgres, PgArguments> {
    statement(sql)
        .bind(filter.pipeline.clone())
        .bind(filter.sink.clone())
        .bind(filter.event_id.clone())
        .bind(filter.aggregate_id.clone())
        .bind(filter.code.clone())
        .bind(filter.dead_before.map(u64::cast_signed))
}

pub(super) async fn due(
    session: &Session,
    lane: &LaneId,
    limit: DueLimit,
) -> Result<Vec<ParkedEvent>, StoreError> {
    let mut transaction = session.read().await?;
    let rows = statement(include_str!("sql/due.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(i64::try_from(limit.events).unwrap_or(i64::MAX))
        .bind(lane.shard.number())
        .bind(i64::try_from(limit.bytes).unwrap_or(i64::MAX))
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    rows.iter().map(read_parked).collect()
}

pub(super) async fn next_due(session: &Session, lane: &LaneId) -> Result<Option<Duration>, StoreError> {
    let mut transaction = session.read().await?;
    let row = statement(include_str!("sql/next_due.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lane.shard.number())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    row.map(|row| Ok(Duration::from_micros(row.number("wait")?.cast_unsigned()))).transpose()
}

pub(super) async fn dead(
    session: &Session,
    filter: &DeadFilter,
    limit: usize,
    offset: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let mut transaction = session.read().await?;
    let rows = filtered(DEAD, filter)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(i64::try_from(offset).unwrap_or(i64::MAX))
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    rows.iter().map(read_dead).collect()
}

pub(super) async fn held(session: &Session, event_id: &str) -> Result<Vec<HeldRecord>, StoreError> {
    let mut transaction = session.read().await?;
    let held = statement(include_str!("sql/held.sql")).bind(event_id);
    let rows = held.fetch_all(&mut *transaction).await.map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    rows.iter().map(read_held).collect()
}

pub(super) async fn queues(session: &Session, key: KeyId) -> Result<Vec<KeyQueue>, StoreError> {
    let mut transaction = session.read().await?;
    let queues = statement(include_str!("sql/queues.sql")).bind(key_bytes(key).to_vec());
    let rows = queues.fetch_all(&mut *transaction).await.map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    rows.iter().map(read_queue).collect()
}
