//! Rows of lanes: taking one over, moving it, listing all.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;

use super::fault::sqlite_error;
use super::session::{Session, statement};
use crate::store::encoding::{read_names, write_names};
use crate::store::fault::{Cause, divided, lost, store_error};
use crate::store::port::{STARTING, TAKEOVER};
use crate::store::rows::{
    StoredRow as _, microseconds, must_wait, read_holder, read_key, read_position, read_summary,
};
use crate::store::sampling::sampled;
use crate::store::{
    Acquired, Claim, HeldKey, Holder, LaneId, LaneRecord, LaneSummary, Lease, Settlement, StoreError,
};

/// Makes a new term of the lane, unless another owner's lease runs, and reads what its new owner has to know.
///
/// The term is committed first: from then on nobody else writes, and reading a large side table holds no lock.
pub(super) async fn acquire(session: &Session, lane: &LaneId, claim: &Claim) -> Result<Acquired, StoreError> {
    // A look first: a standby asks again and again, and the claim itself would lock the owner's row each time.
    if let Some(holder) = holder(session, lane).await?.filter(|holder| must_wait(claim, holder)) {
        return Ok(Acquired::Held(holder));
    }
    let mut transaction = session.write().await?;
    one_division(&mut transaction, lane).await?;
    let taken = statement(include_str!("sql/acquire.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(&claim.owner)
        .bind(&claim.process)
        .bind(microseconds(claim.length.max(TAKEOVER)))
        .bind(claim.instead_of)
        .bind(lane.shard.number())
        .bind(lane.shard.all())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(sqlite_error)?;
    let Some(row) = taken else {
        drop(transaction);
        let holder = holder(session, lane).await?;
        return holder.map(Acquired::Held).ok_or_else(|| lost(lane, 0));
    };
    let mut record = LaneRecord {
        lease: Lease { term: row.number("term")?, version: row.number("version")? },
        position: read_position(row.optional_text("position")?.as_deref())?,
        generation: read_names(&row.text("generation")?)?,
        held_keys: Vec::new(),
        parked: 0,
        dead: 0,
        mean_bytes: 0,
    };
    transaction.commit().await.map_err(sqlite_error)?;
    let mut reader = session.readers().acquire().await.map_err(sqlite_error)?;
    read_held(&mut reader, lane, &mut record).await?;
    drop(reader);
    renew(session, lane, record.lease.term, claim.length, STARTING).await?;
    Ok(Acquired::Taken(record))
}

/// Refuses a lane that is part of another division than the one there is: its parts would share keys with those.
async fn one_division(connection: &mut SqliteConnection, lane: &LaneId) -> Result<(), StoreError> {
    let other = statement(include_str!("sql/other_shards.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lane.shard.all())
        .fetch_optional(connection)
        .await
        .map_err(sqlite_error)?;
    other.map_or(Ok(()), |row| Err(divided(lane, row.number("shards")?)))
}

/// Reads which keys are held, row by row: there may be a million.
async fn read_held(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    record: &mut LaneRecord,
) -> Result<(), StoreError> {
    let mut rows = statement(include_str!("sql/held_keys.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lane.shard.number())
        .fetch(&mut *connection);
    while let Some(row) = rows.try_next().await.map_err(sqlite_error)? {
        let key = read_key(&row.optional_bytes("key_id")?.unwrap_or_default())?;
        let (parked, dead) = (row.number("parked")?.cast_unsigned(), row.number("dead")?.cast_unsigned());
        record.held_keys.push(HeldKey { key, parked, dead });
        record.parked += parked;
        record.dead += dead;
    }
    drop(rows);
    if record.held_keys.is_empty() {
        return Ok(());
    }
    let sample: Vec<String> = sampled(&record.held_keys).map(|key| format!("{:032x}", key.0)).collect();
    let sample = serde_json::to_string(&sample)
        .map_err(|error| store_error(Cause::Rejected, format!("a list can't be written: {error}"), None))?;
    let row = statement(include_str!("sql/held_size.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(sample)
        .fetch_one(connection)
        .await
        .map_err(sqlite_error)?;
    record.mean_bytes = row.number("bytes")?.cast_unsigned();
    Ok(())
}

/// Who owned the lane last, and for how much longer.
async fn holder(session: &Session, lane: &LaneId) -> Result<Option<Holder>, StoreError> {
    let row = statement(include_str!("sql/holder.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lane.shard.number())
        .fetch_optional(session.readers())
        .await
        .map_err(sqlite_error)?;
    row.as_ref().map(read_holder).transpose()
}

/// Compares the term and makes the lease run for `length` from now.
pub(super) async fn renew(
    session: &Session,
    lane: &LaneId,
    term: i64,
    length: Duration,
    state: &str,
) -> Result<(), StoreError> {
    let mut transaction = session.write().await?;
    let renewed = statement(include_str!("sql/renew.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(term)
        .bind(microseconds(length))
        .bind(state)
        .bind(lane.shard.number())
        .execute(&mut *transaction)
        .await
        .map_err(sqlite_error)?;
    transaction.commit().await.map_err(sqlite_error)?;
    if renewed.rows_affected() == 1 { Ok(()) } else { Err(lost(lane, term)) }
}

/// Compares the lease and moves the lane; its row stays locked until the transaction ends.
pub(super) async fn settle_lane(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    lease: &Lease,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let moved = statement(include_str!("sql/settle_lane.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lease.term)
        .bind(lease.version)
        .bind(settlement.position.as_ref().map(ToString::to_string))
        .bind(write_names(&settlement.generation)?)
        .bind(settlement.delivered.cast_signed())
        .bind(settlement.discarded.cast_signed())
        .bind(lane.shard.number())
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(lost(lane, lease.term)) }
}

/// Compares the lease and takes its next version without moving the lane.
pub(super) async fn advance_lane(
    connection: &mut SqliteConnection,
    lane: &LaneId,
    lease: &Lease,
) -> Result<(), StoreError> {
    let moved = statement(include_str!("sql/advance_lane.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lease.term)
        .bind(lease.version)
        .bind(lane.shard.number())
        .execute(connection)
        .await
        .map_err(sqlite_error)?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(lost(lane, lease.term)) }
}

/// Every lane that has a row, by pipeline and sink.
pub(super) async fn lanes(session: &Session) -> Result<Vec<LaneSummary>, StoreError> {
    let rows =
        statement(include_str!("sql/lanes.sql")).fetch_all(session.readers()).await.map_err(sqlite_error)?;
    rows.iter().map(read_summary).collect()
}

/// Notes that `process` shares the lanes that `lane` is one of, for `length`; returns how many others do.
pub(super) async fn attend(
    session: &Session,
    lane: &LaneId,
    process: &str,
    length: Duration,
) -> Result<u64, StoreError> {
    let of_group = |sql: &'static str| statement(sql).bind(&lane.pipeline).bind(&lane.sink).bind(process);
    let mut transaction = session.write().await?;
    of_group(include_str!("sql/forget_members.sql"))
        .execute(&mut *transaction)
        .await
        .map_err(sqlite_error)?;
    of_group(include_str!("sql/attend.sql"))
        .bind(microseconds(length))
        .execute(&mut *transaction)
        .await
        .map_err(sqlite_error)?;
    let row =
        of_group(include_str!("sql/others.sql")).fetch_one(&mut *transaction).await.map_err(sqlite_error)?;
    transaction.commit().await.map_err(sqlite_error)?;
    Ok(row.number("others")?.cast_unsigned())
}
