//! The columns of an event in the side table, the same in every SQL store.

use std::borrow::Cow;
use std::time::Duration;

use relay_engine::event::{KeyId, OwnedEvent, Position, Shard};
use serde::Serialize;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::encoding::{
    read_attributes, read_headers, read_messages, read_names, write_attributes, write_headers,
    write_messages, write_names,
};
use super::fault::{Cause, store_error};
use super::port::{
    Claim, DeadAction, DeadAgain, DeadLetter, Extent, HeldEvent, HeldRecord, HeldState, Holder, KeyQueue,
    LaneId, LaneSummary, Outcome, ParkedEvent, Retried, RetryResult, StoreError, WaitsFor,
};

/// The longest wait that is stored, a hundred years: Postgres can't add much more to a timestamp.
const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A held event, ready to bind.
pub(super) struct HeldRow<'a> {
    pub(super) event: &'a OwnedEvent,
    pub(super) key: [u8; 16],
    pub(super) headers: String,
    pub(super) attributes: String,
    pub(super) state: &'static str,
    /// Microseconds until a parked event is due.
    pub(super) wait: Option<i64>,
    pub(super) attempts: i64,
    pub(super) code: Option<Cow<'a, str>>,
    pub(super) detail: Option<Cow<'a, str>>,
    pub(super) messages: Option<String>,
    pub(super) delivered: String,
    pub(super) generation: String,
}

impl<'a> HeldRow<'a> {
    pub(super) fn of(held: &'a HeldEvent) -> Result<Self, StoreError> {
        let (state, wait) = state_columns(held.state);
        Ok(Self {
            event: &held.event,
            key: key_bytes(held.key),
            headers: write_headers(&held.event.headers)?,
            attributes: write_attributes(&held.event.attributes)?,
            state,
            wait,
            attempts: i64::from(held.attempts),
            code: held.failure.as_ref().map(|failure| without_nul(&failure.code)),
            detail: held.failure.as_ref().map(|failure| without_nul(&failure.detail)),
            messages: held.messages.as_deref().map(write_messages).transpose()?,
            delivered: write_names(&held.delivered)?,
            generation: write_names(&held.generation)?,
        })
    }

    pub(super) fn sequence(&self) -> i64 {
        // Every outbox counts in 64 signed bits; the cast only keeps the bits.
        self.event.sequence.cast_signed()
    }

    pub(super) fn occurred_at(&self) -> i64 {
        self.event.occurred_at.cast_signed()
    }
}

/// A parked event that was tried and stays, ready to bind.
#[derive(Serialize)]
pub(super) struct RetriedRow<'a> {
    pub(super) event_id: &'a str,
    pub(super) state: &'static str,
    /// Microseconds until a parked event is due.
    pub(super) wait: Option<i64>,
    pub(super) attempts: i64,
    pub(super) code: Cow<'a, str>,
    pub(super) detail: Cow<'a, str>,
    pub(super) messages: Option<String>,
    pub(super) delivered: String,
}

/// Retries as the two statements need them: the ids of those that are done, the rows of those that stay.
pub(super) fn split_retried(retried: &[Retried]) -> Result<(Vec<&str>, Vec<RetriedRow<'_>>), StoreError> {
    let mut done = Vec::new();
    let mut held = Vec::new();
    for one in retried {
        match &one.result {
            RetryResult::Done => done.push(one.event_id.as_str()),
            RetryResult::Held { state, attempts, failure, messages, delivered } => {
                let (state, wait) = state_columns(*state);
                held.push(RetriedRow {
                    event_id: &one.event_id,
                    state,
                    wait,
                    attempts: i64::from(*attempts),
                    code: without_nul(&failure.code),
                    detail: without_nul(&failure.detail),
                    messages: messages.as_deref().map(write_messages).transpose()?,
                    delivered: write_names(delivered)?,
                });
            }
        }
    }
    Ok((done, held))
}

fn state_columns(state: HeldState) -> (&'static str, Option<i64>) {
    match state {
        HeldState::Parked { after } => {
            ("parked", Some(i64::try_from(after.min(LONGEST_WAIT).as_micros()).unwrap_or(i64::MAX)))
        }
        HeldState::Blocked => ("blocked", None),
        HeldState::Dead => ("dead", None),
    }
}

/// Postgres has no NUL in text, and a receiver's answer may hold one.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A key as its column holds it.
pub(super) fn key_bytes(key: KeyId) -> [u8; 16] {
    key.0.to_be_bytes()
}

/// The key in a column of 16 bytes.
pub(super) fn read_key(bytes: &[u8]) -> Result<KeyId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| unreadable("key_id", "is not 16 bytes long"))?;
    Ok(KeyId(u128::from_be_bytes(bytes)))
}

/// The position in a lane's row.
pub(super) fn read_position(text: Option<&str>) -> Result<Option<Position>, StoreError> {
    text.map(|text| text.parse().map_err(|error| unreadable("position", error))).transpose()
}

/// What a column of row `R` may hold in these tables.
pub(super) trait StoredRow: Row {
    /// The column `name`, which holds text.
    fn text(&self, name: &'static str) -> Result<String, StoreError>;
    /// The column `name`, which holds text or nothing.
    fn optional_text(&self, name: &'static str) -> Result<Option<String>, StoreError>;
    /// The column `name`, which holds a whole number.
    fn number(&self, name: &'static str) -> Result<i64, StoreError>;
    /// The column `name`, which holds a whole number or nothing.
    fn optional_number(&self, name: &'static str) -> Result<Option<i64>, StoreError>;
    /// The column `name`, which holds bytes or nothing.
    fn optional_bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError>;
}

impl<R: Row> StoredRow for R
where
    &'static str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn text(&self, name: &'static str) -> Result<String, StoreError> {
        self.try_get(name).map_err(|error| unreadable(name, error))
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.try_get(name).map_err(|error| unreadable(name, error))
    }

    fn number(&self, name: &'static str) -> Result<i64, StoreError> {
        self.try_get(name).map_err(|error| unreadable(name, error))
    }

    fn optional_number(&self, name: &'static str) -> Result<Option<i64>, StoreError> {
        self.try_get(name).map_err(|error| unreadable(name, error))
    }

    fn optional_bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        self.try_get(name).map_err(|error| unreadable(name, error))
    }
}

fn unreadable(column: &str, why: impl std::fmt::Display) -> StoreError {
    store_error(
        Cause::Unreadable,
        format!("column {column} of the relay's tables can't be read: {why}"),
        None,
    )
}

fn read_event(row: &impl StoredRow) -> Result<OwnedEvent, StoreError> {
    Ok(OwnedEvent {
        id: row.text("event_id")?,
        sequence: row.number("sequence")?.cast_unsigned(),
        aggregate_type: row.text("aggregate_type")?,
        aggregate_id: row.text("aggregate_id")?,
        event_type: row.text("event_type")?,
        content_type: row.optional_text("content_type")?,
        payload: row.optional_bytes("payload")?,
        headers: read_headers(&row.text("headers")?)?,
        attributes: read_attributes(&row.text("attributes")?)?,
        occurred_at: row.number("occurred_at")?.cast_unsigned(),
    })
}

fn read_lane(row: &impl StoredRow) -> Result<LaneId, StoreError> {
    Ok(LaneId::new(row.text("pipeline")?, row.text("sink")?))
}

/// A lane from a row that says which part it is.
fn read_part(row: &impl StoredRow) -> Result<LaneId, StoreError> {
    let number = |name| u32::try_from(row.number(name)?).map_err(|error| unreadable(name, error));
    Ok(LaneId { shard: Shard { index: number("shard")?, of: number("shards")? }, ..read_lane(row)? })
}

fn read_attempts(row: &impl StoredRow) -> Result<u32, StoreError> {
    u32::try_from(row.number("attempts")?).map_err(|error| unreadable("attempts", error))
}

fn read_optional_messages(
    row: &impl StoredRow,
) -> Result<Option<Vec<relay_engine::message::Message>>, StoreError> {
    row.optional_text("messages")?.as_deref().map(read_messages).transpose()
}

/// A parked event from its row.
pub(super) fn read_parked(row: &impl StoredRow) -> Result<ParkedEvent, StoreError> {
    Ok(ParkedEvent {
        event: read_event(row)?,
        key: read_key(&row.optional_bytes("key_id")?.unwrap_or_default())?,
        messages: read_optional_messages(row)?,
        delivered: read_names(&row.text("delivered_slots")?)?,
        attempts: read_attempts(row)?,
        rerun: row.optional_number("rerun")?.map(i64::cast_unsigned),
    })
}

/// The word that stands for an action in a request.
pub(super) fn action_word(action: &DeadAction) -> &'static str {
    match action {
        DeadAction::Retry => "retry",
        DeadAction::Rerun | DeadAction::Replace(_) => RERUN,
        DeadAction::Drop => DROP,
    }
}

/// The action that revives nothing.
pub(super) const DROP: &str = "drop";

/// The action after which plugins run again.
pub(super) const RERUN: &str = "rerun";

/// The payload that an action brings.
pub(super) fn action_payload(action: &DeadAction) -> Option<&[u8]> {
    match action {
        DeadAction::Replace(payload) => Some(payload),
        DeadAction::Retry | DeadAction::Rerun | DeadAction::Drop => None,
    }
}

/// The keys of rows that a request touched.
pub(super) fn read_keys(rows: &[impl StoredRow]) -> Result<Vec<KeyId>, StoreError> {
    rows.iter().map(|row| read_key(&row.optional_bytes("key_id")?.unwrap_or_default())).collect()
}

/// A dead letter from its row.
pub(super) fn read_dead(row: &impl StoredRow) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        lane: read_lane(row)?,
        event: read_event(row)?,
        messages: read_optional_messages(row)?,
        attempts: read_attempts(row)?,
        code: row.optional_text("code")?.unwrap_or_default(),
        detail: row.optional_text("detail")?.unwrap_or_default(),
        generation: read_names(&row.text("generation")?)?,
        dead_at: row.optional_number("dead_at")?.unwrap_or_default().cast_unsigned(),
        blocked: row.number("blocked")?.cast_unsigned(),
    })
}

/// How much some dead letters are.
pub(super) fn read_extent(row: &impl StoredRow) -> Result<Extent, StoreError> {
    Ok(Extent {
        letters: row.number("letters")?.cast_unsigned(),
        keys: row.number("keys")?.cast_unsigned(),
        behind: row.number("behind")?.cast_unsigned(),
    })
}

/// From one row a request, and one row an error of what is dead again.
pub(super) fn read_outcome<R: StoredRow>(requests: &[R], dead: &[R]) -> Result<Outcome, StoreError> {
    let mut outcome = Outcome::default();
    for row in requests {
        if row.number("open")? != 0 {
            outcome.open.push(read_part(row)?);
        }
        outcome.taken += row.number("letters")?.cast_unsigned();
        outcome.done += row.number("done")?.cast_unsigned();
        outcome.waiting += row.number("waiting")?.cast_unsigned();
    }
    for row in dead {
        outcome.dead.push(DeadAgain {
            code: row.optional_text("code")?.unwrap_or_default(),
            detail: row.optional_text("detail")?.unwrap_or_default(),
            letters: row.number("letters")?.cast_unsigned(),
        });
    }
    Ok(outcome)
}

/// What is held of an event, from its row.
pub(super) fn read_held(row: &impl StoredRow) -> Result<HeldRecord, StoreError> {
    let waits_for = match (row.optional_number("next_at")?, row.optional_number("dead_at")?) {
        (Some(due_at), _) => WaitsFor::Attempt { due_at: due_at.cast_unsigned() },
        (None, Some(dead_at)) => WaitsFor::Operator { dead_at: dead_at.cast_unsigned() },
        (None, None) => WaitsFor::Key,
    };
    let code = row.optional_text("code")?;
    Ok(HeldRecord {
        lane: read_part(row)?,
        event: read_event(row)?,
        waits_for,
        attempts: read_attempts(row)?,
        failure: code.zip(row.optional_text("detail")?),
        delivered: read_names(&row.text("delivered_slots")?)?,
        generation: read_names(&row.text("generation")?)?,
        held_at: row.number("held_at")?.cast_unsigned(),
        rerun: row.optional_number("rerun")?.map(i64::cast_unsigned),
        ahead: row.number("ahead")?.cast_unsigned(),
        behind: row.optional_text("behind")?,
    })
}

/// What a lane holds of a key, from its row.
pub(super) fn read_queue(row: &impl StoredRow) -> Result<KeyQueue, StoreError> {
    let (first, events) = (row.text("event_id")?, row.number("events")?.cast_unsigned());
    Ok(KeyQueue { lane: read_part(row)?, first, events })
}

/// A lane from its row.
pub(super) fn read_summary(row: &impl StoredRow) -> Result<LaneSummary, StoreError> {
    Ok(LaneSummary {
        lane: read_part(row)?,
        owner: row.text("owner")?,
        term: row.number("term")?,
        leased: row.number("lease_left")? > 0,
        state: row.text("state")?,
        position: read_position(row.optional_text("position")?.as_deref())?,
        generation: read_names(&row.text("generation")?)?,
        delivered: row.number("delivered")?.cast_unsigned(),
        discarded: row.number("discarded")?.cast_unsigned(),
        parked: row.number("parked")?.cast_unsigned(),
        dead: row.number("dead")?.cast_unsigned(),
        settled_at: row.optional_number("settled_at")?.map(i64::cast_unsigned),
    })
}

/// Reads who owns a lane; `lease_left` is in microseconds.
pub(super) fn read_holder(row: &impl StoredRow) -> Result<Holder, StoreError> {
    Ok(Holder {
        owner: row.text("owner")?,
        process: row.text("process")?,
        term: row.number("term")?,
        expires_in: Duration::from_micros(u64::try_from(row.number("lease_left")?).unwrap_or_default()),
    })
}

/// Whether `claim` has to wait for `holder`.
pub(super) fn must_wait(claim: &Claim, holder: &Holder) -> bool {
    !holder.expires_in.is_zero() && holder.process != claim.process && claim.instead_of != Some(holder.term)
}

/// A lease's length as a statement takes it: whole microseconds.
pub(super) fn microseconds(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}
