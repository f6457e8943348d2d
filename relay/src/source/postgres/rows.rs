//! Rows become events, with one copy and no allocation per row.

use relay_engine::event::{EventBatch, EventFields, WITHHELD};
use sqlx::postgres::PgRow;

use super::PostgresSourceConfig;
use super::failure::{ROW, refused};
use super::page::Taken;
use super::session::{bytes, text};
use crate::source::SourceError;
use crate::source::headers::Headers;
use crate::source::timestamp::{now_microseconds, parse_microseconds};

/// Where each field stands in a row: the order in which the statements name the columns.
const SEQUENCE: usize = 0;
const ID: usize = 1;
const AGGREGATE_TYPE: usize = 2;
const AGGREGATE_ID: usize = 3;
const EVENT_TYPE: usize = 4;
const PAYLOAD: usize = 5;
const WITHHELD_SIZE: usize = 6;
const FIRST_OPTIONAL: usize = 7;

/// How the payload column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadType {
    /// `text` and its relatives: taken as it is.
    Text,
    /// `json` or `jsonb`: taken as it is, with the media type known.
    Json,
    /// `bytea`: comes in hexadecimal.
    Bytes,
}

/// Turns rows of one table into events.
#[derive(Debug)]
pub(super) struct Decoder {
    payload: PayloadType,
    headers: Option<(usize, String)>,
    occurred_at: Option<usize>,
    attributes: Vec<(usize, String)>,
    read: Headers,
    unhexed: Vec<u8>,
    sequence_text: String,
}

impl Decoder {
    pub(super) fn new(config: &PostgresSourceConfig, payload: PayloadType) -> Self {
        let mut next = FIRST_OPTIONAL..;
        let mut place = |name: &String| (next.next().unwrap_or_default(), name.clone());
        let headers = config.columns.headers.as_ref().map(&mut place);
        let occurred_at = config.columns.occurred_at.as_ref().map(|name| place(name).0);
        let attributes = config.columns.attributes.iter().map(place).collect();
        Self {
            payload,
            headers,
            occurred_at,
            attributes,
            read: Headers::default(),
            unhexed: Vec::new(),
            sequence_text: String::new(),
        }
    }

    /// The rows as a batch, in their order.
    pub(super) fn batch(&mut self, rows: &[Taken], bytes: usize) -> Result<EventBatch, SourceError> {
        let mut batch = EventBatch::with_capacity(rows.len(), bytes.div_ceil(rows.len().max(1)));
        let read_at = now_microseconds();
        for taken in rows {
            self.push(&mut batch, taken.sequence, &taken.row, read_at)?;
        }
        Ok(batch)
    }

    fn push(
        &mut self,
        batch: &mut EventBatch,
        sequence: i64,
        row: &PgRow,
        read_at: u64,
    ) -> Result<(), SourceError> {
        let Self { read, unhexed, sequence_text, .. } = self;
        let payload = match (bytes(row, PAYLOAD)?, self.payload) {
            (Some(hexadecimal), PayloadType::Bytes) => Some(unhex(hexadecimal, unhexed)),
            (payload, _) => payload,
        };
        let occurred_at = match self.occurred_at {
            Some(column) => text(row, column)?.and_then(parse_microseconds),
            None => None,
        };
        let mut attributes = Vec::new();
        attributes.extend(text(row, WITHHELD_SIZE)?.map(|size| (WITHHELD, size)));
        for (column, name) in &self.attributes {
            attributes.extend(text(row, *column)?.map(|value| (name.as_str(), value)));
        }
        let (column, json) = match &self.headers {
            Some((column, name)) => (name.as_str(), bytes(row, *column)?),
            None => ("", None),
        };
        let fields = EventFields {
            id: match text(row, ID)? {
                Some(id) => id,
                None => stand_in(sequence, sequence_text),
            },
            sequence: sequence.unsigned_abs(),
            aggregate_type: text(row, AGGREGATE_TYPE)?.unwrap_or_default(),
            aggregate_id: text(row, AGGREGATE_ID)?.unwrap_or_default(),
            event_type: text(row, EVENT_TYPE)?.unwrap_or_default(),
            content_type: (self.payload == PayloadType::Json).then_some("application/json"),
            payload,
            headers: &[],
            attributes: &attributes,
            occurred_at: occurred_at.unwrap_or(read_at),
            attempt: 1,
        };
        read.read(column, json, |headers| batch.push(&EventFields { headers, ..fields })).map_err(|full| {
            refused(ROW, format!("the row with sequence {sequence}: {full}"), "lower the batch's byte limit")
        })
    }
}

/// A row without an id gets its sequence as one: it is as stable, if not as unique between tables.
fn stand_in(sequence: i64, text: &mut String) -> &str {
    *text = sequence.to_string();
    text
}

/// The sequence of `row`.
pub(super) fn sequence(row: &PgRow) -> Result<i64, SourceError> {
    let value = text(row, SEQUENCE)?.and_then(|text| text.parse().ok());
    value.filter(|sequence| *sequence >= 0).ok_or_else(|| {
        refused(
            ROW,
            "a row's sequence is NULL or negative",
            "declare the column as bigint GENERATED ALWAYS AS IDENTITY, and give such rows a sequence by hand",
        )
    })
}

/// Bytes that `row` holds in its payload, as sent.
pub(super) fn payload_size(row: &PgRow) -> Result<usize, SourceError> {
    Ok(bytes(row, PAYLOAD)?.map_or(0, <[u8]>::len))
}

/// The bytes behind `\x…`.
fn unhex<'a>(hexadecimal: &[u8], into: &'a mut Vec<u8>) -> &'a [u8] {
    into.clear();
    let digits = hexadecimal.strip_prefix(b"\\x").unwrap_or(hexadecimal);
    into.extend(digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])));
    into
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_hexadecimal() {
        let mut buffer = vec![9];
        assert_eq!(unhex(b"\\x00ff1A", &mut buffer), [0, 255, 26]);
        assert!(unhex(b"\\x", &mut buffer).is_empty());
    }
}
