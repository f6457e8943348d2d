//! Rows of lanes: taking one over, moving it, listing all.

use sqlx::postgres::PgConnection;

use super::fault::postgres_error;
use super::session::{Session, statement};
use crate::store::encoding::{read_names, write_names};
use crate::store::fault::lost;
use crate::store::rows::{StoredRow as _, read_key, read_position, read_summary};
use crate::store::{HeldKey, LaneId, LaneRecord, LaneSummary, Lease, Settlement, StoreError};

/// Makes a new term of the lane and reads what its new owner has to know, in one transaction.
pub(super) async fn acquire(session: &Session, lane: &LaneId, owner: &str) -> Result<LaneRecord, StoreError> {
    let mut transaction = session.write().await?;
    let row = statement(include_str!("sql/acquire.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(owner)
        .fetch_one(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    let mut record = LaneRecord {
        lease: Lease { term: row.number("term")?, version: row.number("version")? },
        position: read_position(row.optional_text("position")?.as_deref())?,
        generation: read_names(&row.text("generation")?)?,
        held_keys: Vec::new(),
        parked: 0,
        dead: 0,
    };
    let keys = statement(include_str!("sql/held_keys.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    for row in keys {
        let key = read_key(&row.optional_bytes("key_id")?.unwrap_or_default())?;
        let (parked, dead) = (row.number("parked")?.cast_unsigned(), row.number("dead")?.cast_unsigned());
        record.held_keys.push(HeldKey { key, parked, dead });
        record.parked += parked;
        record.dead += dead;
    }
    transaction.commit().await.map_err(postgres_error)?;
    Ok(record)
}

/// Compares the lease and moves the lane; its row stays locked until the transaction ends.
pub(super) async fn settle_lane(
    connection: &mut PgConnection,
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
        .execute(connection)
        .await
        .map_err(postgres_error)?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(lost(lane, lease)) }
}

/// Compares the lease and takes its next version without moving the lane.
pub(super) async fn advance_lane(
    connection: &mut PgConnection,
    lane: &LaneId,
    lease: &Lease,
) -> Result<(), StoreError> {
    let moved = statement(include_str!("sql/advance_lane.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lease.term)
        .bind(lease.version)
        .execute(connection)
        .await
        .map_err(postgres_error)?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(lost(lane, lease)) }
}

/// Every lane that has a row, by pipeline and sink.
pub(super) async fn lanes(session: &Session) -> Result<Vec<LaneSummary>, StoreError> {
    let mut transaction = session.read().await?;
    let rows = statement(include_str!("sql/lanes.sql"))
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    rows.iter().map(read_summary).collect()
}
