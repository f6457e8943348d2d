//! Requests about dead letters: written by the command line, carried out by the owner of the lane.

use sqlx::postgres::{PgConnection, PgRow};

use super::fault::postgres_error;
use super::lane::advance_lane;
use super::letters::filtered;
use super::session::{Session, statement};
use relay_engine::event::KeyId;

use crate::store::encoding::write_names;
use crate::store::rows::{
    DROP, RERUN, StoredRow as _, action_payload, action_word, key_bytes, read_extent, read_keys, read_outcome,
};
use crate::store::{Applied, DeadAction, DeadFilter, Extent, LaneId, Lease, Outcome, Requested, StoreError};

/// Dead letters of one request revived per call: a larger request goes on with the next call, so that none
/// meets the statement timeout.
const LETTERS_PER_CALL: i64 = 10_000;

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
    let rows = filtered(REQUEST, filter)
        .bind(action_word(action))
        .bind(action_payload(action).map(<[u8]>::to_vec))
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    let mut asked = Requested::default();
    for row in &rows {
        asked.requests.push(row.number("id")?);
        asked.letters += row.number("letters")?.cast_unsigned();
    }
    Ok(asked)
}

pub(super) async fn extent(session: &Session, filter: &DeadFilter) -> Result<Extent, StoreError> {
    let mut transaction = session.read().await?;
    let row = filtered(EXTENT, filter).fetch_one(&mut *transaction).await.map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    read_extent(&row)
}

pub(super) async fn outcome(session: &Session, requests: &[i64]) -> Result<Outcome, StoreError> {
    let mut transaction = session.read().await?;
    let rows = statement(include_str!("sql/outcome.sql"))
        .bind(requests)
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    let dead = statement(include_str!("sql/dead_again.sql"))
        .bind(requests)
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    transaction.commit().await.map_err(postgres_error)?;
    read_outcome(&rows, &dead)
}

pub(super) async fn apply_requests(
    session: &Session,
    lane: &LaneId,
    lease: &mut Lease,
) -> Result<Applied, StoreError> {
    let mut transaction = session.write().await?;
    let requests = statement(include_str!("sql/open_requests.sql"))
        .bind(&lane.pipeline)
        .bind(&lane.sink)
        .bind(lane.shard.number())
        .fetch_all(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    if requests.is_empty() {
        transaction.commit().await.map_err(postgres_error)?;
        return Ok(Applied::default());
    }
    advance_lane(&mut transaction, lane, lease).await?;
    let mut applied = Applied::default();
    for request in &requests {
        apply(&mut transaction, lane, request, &mut applied).await?;
    }
    transaction.commit().await.map_err(postgres_error)?;
    lease.version += 1;
    Ok(applied)
}

/// Carries out as much of one request as one call may.
async fn apply(
    connection: &mut PgConnection,
    lane: &LaneId,
    request: &PgRow,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    let action = request.text("action")?;
    let keys = letters(connection, lane, request, &action).await?;
    let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    if action == DROP {
        let touched: Vec<Vec<u8>> = keys.iter().map(|key| key_bytes(*key).to_vec()).collect();
        statement(include_str!("sql/promote.sql"))
            .bind(&lane.pipeline)
            .bind(&lane.sink)
            .bind(touched)
            .bind(false)
            .execute(&mut *connection)
            .await
            .map_err(postgres_error)?;
        applied.dropped.extend(keys);
    } else {
        statement(include_str!("sql/promote_revived.sql"))
            .bind(&lane.pipeline)
            .bind(&lane.sink)
            .bind(request.number("id")?)
            .execute(&mut *connection)
            .await
            .map_err(postgres_error)?;
        applied.parked.extend(keys);
    }
    statement(include_str!("sql/close_request.sql"))
        .bind(request.number("id")?)
        .bind(count)
        .bind(count < LETTERS_PER_CALL)
        .execute(connection)
        .await
        .map_err(postgres_error)?;
    Ok(())
}

/// Revives or drops the letters that the request means; returns their keys.
async fn letters(
    connection: &mut PgConnection,
    lane: &LaneId,
    request: &PgRow,
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
    let rows = chosen.fetch_all(connection).await.map_err(postgres_error)?;
    read_keys(&rows)
}
