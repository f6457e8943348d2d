//! Rows become events.

use relay_engine::event::{EventBatch, EventFields, WITHHELD};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteSourceConfig;
use super::failure::{UNEXPECTED, classify, refused};
use crate::source::SourceError;
use crate::source::headers::Headers;
use crate::source::timestamp::parse_microseconds;

const SEQUENCE: usize = 0;
const ID: usize = 1;
const AGGREGATE_TYPE: usize = 2;
const AGGREGATE_ID: usize = 3;
const EVENT_TYPE: usize = 4;
const PAYLOAD: usize = 5;
const WITHHELD_SIZE: usize = 6;
const FIRST_OPTIONAL: usize = 7;

/// Turns rows of one table into events.
#[derive(Debug)]
pub(super) struct Decoder {
    headers: Option<(usize, String)>,
    occurred_at: Option<usize>,
    attributes: Vec<(usize, String)>,
    read: Headers,
}

impl Decoder {
    pub(super) fn new(config: &SqliteSourceConfig) -> Self {
        let mut next = FIRST_OPTIONAL..;
        let mut place = |name: &String| (next.next().unwrap_or_default(), name.clone());
        Self {
            headers: config.columns.headers.as_ref().map(&mut place),
            occurred_at: config.columns.occurred_at.as_ref().map(|name| place(name).0),
            attributes: config.columns.attributes.iter().map(place).collect(),
            read: Headers::default(),
        }
    }

    /// Appends `row` to `batch`; returns its sequence and the size of its payload.
    pub(super) fn push(
        &mut self,
        batch: &mut EventBatch,
        row: &SqliteRow,
        read_at: u64,
    ) -> Result<(u64, usize), SourceError> {
        let sequence: i64 = row.try_get_unchecked(SEQUENCE).map_err(unreadable)?;
        let sequence = u64::try_from(sequence).unwrap_or_default();
        let payload = bytes(row, PAYLOAD)?;
        let occurred_at = self.occurred_at.map(|column| microseconds(row, column)).transpose()?.flatten();
        let mut attributes = Vec::new();
        let withheld: Option<i64> = row.try_get_unchecked(WITHHELD_SIZE).map_err(unreadable)?;
        let withheld = withheld.map(|size| size.to_string());
        attributes.extend(withheld.as_deref().map(|size| (WITHHELD, size)));
        for (column, name) in &self.attributes {
            attributes.extend(text(row, *column)?.map(|value| (name.as_str(), value)));
        }
        let (column, json) = match &self.headers {
            Some((column, name)) => (name.as_str(), bytes(row, *column)?),
            None => ("", None),
        };
        let stand_in;
        let fields = EventFields {
            id: if let Some(id) = text(row, ID)? {
                id
            } else {
                stand_in = sequence.to_string();
                &stand_in
            },
            sequence,
            aggregate_type: text(row, AGGREGATE_TYPE)?.unwrap_or_default(),
            aggregate_id: text(row, AGGREGATE_ID)?.unwrap_or_default(),
            event_type: text(row, EVENT_TYPE)?.unwrap_or_default(),
            content_type: None,
            payload,
            headers: &[],
            attributes: &attributes,
            occurred_at: occurred_at.unwrap_or(read_at),
            attempt: 1,
        };
        self.read
            .read(column, json, |headers| batch.push(&EventFields { headers, ..fields }))
            .map_err(|full| refused(UNEXPECTED, full.to_string(), "lower the batch's byte limit"))?;
        Ok((sequence, payload.map_or(0, <[u8]>::len)))
    }
}

/// Seconds, milliseconds and microseconds since 1970 differ so much that the number tells which it is.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;
const FIRST_MICROSECONDS: i64 = 100_000_000_000_000;

/// A column of text affinity keeps numbers as text, so the text tells, not the type.
fn microseconds(row: &SqliteRow, column: usize) -> Result<Option<u64>, SourceError> {
    let Some(written) = text(row, column)? else { return Ok(None) };
    let Ok(number) = written.parse::<i64>() else { return Ok(parse_microseconds(written)) };
    let factor = match number {
        ..FIRST_MILLISECONDS => 1_000_000,
        FIRST_MILLISECONDS..FIRST_MICROSECONDS => 1_000,
        _ => 1,
    };
    Ok(u64::try_from(number.saturating_mul(factor)).ok())
}

fn text(row: &SqliteRow, column: usize) -> Result<Option<&str>, SourceError> {
    row.try_get_unchecked(column).map_err(unreadable)
}

fn bytes(row: &SqliteRow, column: usize) -> Result<Option<&[u8]>, SourceError> {
    row.try_get_unchecked(column).map_err(unreadable)
}

fn unreadable(error: sqlx::Error) -> SourceError {
    classify("reading a row", error)
}
