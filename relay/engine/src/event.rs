//! Events as they come out of an outbox: a batch is one buffer, an event a view into it.
//!
//! A source fills a batch and forgets its rows; everything after it (plugins, sinks, the side table) borrows
//! from the batch, so an event that no plugin changes is never copied again.

use std::fmt;
use std::ops::Range;

/// Where reading stands in an outbox, as its source wrote it.
///
/// `base` names the incarnation of the database and, where the source needs one, the snapshot that events are
/// counted within; `after` is the sequence of the last event passed in it. Only the source that issued a
/// position can read it; the store keeps it as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The source's own notation; ASCII without spaces.
    pub base: String,
    /// The sequence of the last event passed within `base`.
    pub after: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.after, self.base)
    }
}

impl std::str::FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (after, base) = text.split_once('@').ok_or_else(|| InvalidPosition(text.to_owned()))?;
        let after = after.parse().map_err(|_| InvalidPosition(text.to_owned()))?;
        Ok(Self { base: base.to_owned(), after })
    }
}

/// Text that is not a position.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a position: expected SEQUENCE@BASE")]
pub struct InvalidPosition(String);

/// The hash of an event's aggregate type and id: the unit of ordering.
///
/// 128 bits, so that two keys never meet by chance. Stable over versions and machines: the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u128);

impl KeyId {
    /// The id of the key `aggregate_id`.
    ///
    /// The aggregate type takes no part: sinks keep order by the aggregate id alone, so two aggregates of the
    /// same id share their order.
    #[must_use]
    pub fn of(aggregate_id: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(aggregate_id.as_bytes()))
    }
}

/// One of the equal parts that the keys of a lane are divided into. Every event of a key is in the same part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    /// Counts from 0.
    pub index: u32,
    /// How many parts there are.
    pub of: u32,
}

impl Shard {
    /// All keys.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Each of `of` parts.
    pub fn each(of: u32) -> impl Iterator<Item = Self> {
        (0..of).map(move |index| Self { index, of })
    }

    /// Whether a key belongs to it, by the number that divides keys.
    #[must_use]
    pub fn holds(self, key_hash: u64) -> bool {
        key_hash % u64::from(self.of) == u64::from(self.index)
    }

    /// Its index, as databases take it.
    #[must_use]
    pub fn number(self) -> i64 {
        i64::from(self.index)
    }

    /// The number of parts, as databases take it.
    #[must_use]
    pub fn all(self) -> i64 {
        i64::from(self.of)
    }
}

/// As people count: from 1.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

/// The attribute under which a source notes the size of a payload that it did not read: it is kept wherever the event
/// is.
pub const WITHHELD: &str = "relay-withheld-bytes";

/// What a source hands over for one event; [`EventBatch::push`] copies it into the batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventFields<'a> {
    /// Unique id, the same on every delivery.
    pub id: &'a str,
    /// The place in the outbox; ascends within a batch.
    pub sequence: u64,
    /// What kind of thing the event is about.
    pub aggregate_type: &'a str,
    /// Which thing it is about: the key.
    pub aggregate_id: &'a str,
    /// What happened.
    pub event_type: &'a str,
    /// Media type of the payload, where the outbox has one.
    pub content_type: Option<&'a str>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Further columns in order.
    pub attributes: &'a [(&'a str, &'a str)],
    /// When it was written, microseconds since the Unix epoch.
    pub occurred_at: u64,
    /// 1 on the first run.
    pub attempt: u32,
}

/// Events in outbox order, held in two buffers.
#[derive(Debug, Clone, Default)]
pub struct EventBatch {
    text: String,
    bytes: Vec<u8>,
    events: Vec<Entry>,
    headers: Vec<(Span, Span)>,
    attributes: Vec<(Span, Span)>,
}

/// A batch that would hold more than 4 GiB.
#[derive(Debug, thiserror::Error)]
#[error("a batch holds at most 4 GiB of text and 4 GiB of bytes")]
pub struct BatchFull;

/// A part of one of a batch's buffers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(crate) fn text(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    pub(crate) fn push_text(buffer: &mut String, part: &str) -> Result<Self, BatchFull> {
        let start = buffer.len();
        buffer.push_str(part);
        Self::between(start, buffer.len())
    }

    pub(crate) fn push_bytes(buffer: &mut Vec<u8>, part: &[u8]) -> Result<Self, BatchFull> {
        let start = buffer.len();
        buffer.extend_from_slice(part);
        Self::between(start, buffer.len())
    }

    fn between(start: usize, end: usize) -> Result<Self, BatchFull> {
        let end = u32::try_from(end).map_err(|_| BatchFull)?;
        let start = u32::try_from(start).map_err(|_| BatchFull)?;
        Ok(Self { start, end })
    }
}

#[derive(Debug, Clone)]
struct Entry {
    id: Span,
    aggregate_type: Span,
    aggregate_id: Span,
    event_type: Span,
    content_type: Option<Span>,
    payload: Option<Span>,
    headers: Range<u32>,
    attributes: Range<u32>,
    sequence: u64,
    occurred_at: u64,
    attempt: u32,
}

impl EventBatch {
    /// An empty batch with room for `events` events of `bytes_each` payload bytes.
    #[must_use]
    pub fn with_capacity(events: usize, bytes_each: usize) -> Self {
        Self {
            text: String::with_capacity(events * 96),
            bytes: Vec::with_capacity(events * bytes_each),
            events: Vec::with_capacity(events),
            headers: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Appends one event.
    ///
    /// # Errors
    /// [`BatchFull`] when the batch would outgrow its 32-bit offsets; the event is not added.
    pub fn push(&mut self, event: &EventFields<'_>) -> Result<(), BatchFull> {
        let first_header = self.headers.len();
        for (name, value) in event.headers {
            let name = Span::push_text(&mut self.text, name)?;
            let value = Span::push_bytes(&mut self.bytes, value)?;
            self.headers.push((name, value));
        }
        let first_attribute = self.attributes.len();
        for (name, value) in event.attributes {
            let name = Span::push_text(&mut self.text, name)?;
            let value = Span::push_text(&mut self.text, value)?;
            self.attributes.push((name, value));
        }
        let entry = Entry {
            id: Span::push_text(&mut self.text, event.id)?,
            aggregate_type: Span::push_text(&mut self.text, event.aggregate_type)?,
            aggregate_id: Span::push_text(&mut self.text, event.aggregate_id)?,
            event_type: Span::push_text(&mut self.text, event.event_type)?,
            content_type: event.content_type.map(|it| Span::push_text(&mut self.text, it)).transpose()?,
            payload: event.payload.map(|it| Span::push_bytes(&mut self.bytes, it)).transpose()?,
            headers: range(first_header, self.headers.len())?,
            attributes: range(first_attribute, self.attributes.len())?,
            sequence: event.sequence,
            occurred_at: event.occurred_at,
            attempt: event.attempt,
        };
        self.events.push(entry);
        Ok(())
    }

    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes of text and payload held: what a memory budget counts.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len() + self.bytes.len()
    }

    /// The event at `index`, if there is one.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Event<'_>> {
        self.events.get(index).map(|entry| Event { batch: self, entry })
    }

    /// The events in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.events.iter().map(|entry| Event { batch: self, entry })
    }
}

fn range(start: usize, end: usize) -> Result<Range<u32>, BatchFull> {
    Ok(u32::try_from(start).map_err(|_| BatchFull)?..u32::try_from(end).map_err(|_| BatchFull)?)
}

/// One event of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    batch: &'a EventBatch,
    entry: &'a Entry,
}

impl<'a> Event<'a> {
    /// Unique id, the same on every delivery.
    #[must_use]
    pub fn id(self) -> &'a str {
        self.entry.id.text(&self.batch.text)
    }

    /// The place in the outbox.
    #[must_use]
    pub fn sequence(self) -> u64 {
        self.entry.sequence
    }

    /// What kind of thing the event is about.
    #[must_use]
    pub fn aggregate_type(self) -> &'a str {
        self.entry.aggregate_type.text(&self.batch.text)
    }

    /// Which thing it is about: the key.
    #[must_use]
    pub fn aggregate_id(self) -> &'a str {
        self.entry.aggregate_id.text(&self.batch.text)
    }

    /// What happened.
    #[must_use]
    pub fn event_type(self) -> &'a str {
        self.entry.event_type.text(&self.batch.text)
    }

    /// Media type of the payload, where the outbox has one.
    #[must_use]
    pub fn content_type(self) -> Option<&'a str> {
        self.entry.content_type.map(|it| it.text(&self.batch.text))
    }

    /// The payload; `None` is a tombstone.
    #[must_use]
    pub fn payload(self) -> Option<&'a [u8]> {
        self.entry.payload.map(|it| it.bytes(&self.batch.bytes))
    }

    /// Headers in order.
    pub fn headers(self) -> impl ExactSizeIterator<Item = (&'a str, &'a [u8])> {
        let range = self.entry.headers.start as usize..self.entry.headers.end as usize;
        self.batch.headers[range]
            .iter()
            .map(|(name, value)| (name.text(&self.batch.text), value.bytes(&self.batch.bytes)))
    }

    /// The size of a payload that its source did not read because it is over the source's limit, in bytes. An event
    /// that an operator gave another payload has none.
    #[must_use]
    pub fn withheld(self) -> Option<u64> {
        if self.payload().is_some() {
            return None;
        }
        self.attributes().find(|(name, _)| *name == WITHHELD).and_then(|(_, size)| size.parse().ok())
    }

    /// Further columns in order.
    pub fn attributes(self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> {
        let range = self.entry.attributes.start as usize..self.entry.attributes.end as usize;
        self.batch.attributes[range]
            .iter()
            .map(|(name, value)| (name.text(&self.batch.text), value.text(&self.batch.text)))
    }

    /// When it was written, microseconds since the Unix epoch.
    #[must_use]
    pub fn occurred_at(self) -> u64 {
        self.entry.occurred_at
    }

    /// 1 on the first run.
    #[must_use]
    pub fn attempt(self) -> u32 {
        self.entry.attempt
    }

    /// The unit of ordering this event belongs to.
    #[must_use]
    pub fn key_id(self) -> KeyId {
        KeyId::of(self.aggregate_id())
    }
}

/// An event on its own, as the side table keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnedEvent {
    /// Unique id, the same on every delivery.
    pub id: String,
    /// The place in the outbox.
    pub sequence: u64,
    /// What kind of thing the event is about.
    pub aggregate_type: String,
    /// Which thing it is about: the key.
    pub aggregate_id: String,
    /// What happened.
    pub event_type: String,
    /// Media type of the payload, where the outbox has one.
    pub content_type: Option<String>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Further columns in order.
    pub attributes: Vec<(String, String)>,
    /// When it was written, microseconds since the Unix epoch.
    pub occurred_at: u64,
}

impl OwnedEvent {
    /// Appends this event to `batch` as its `attempt`-th run.
    ///
    /// # Errors
    /// [`BatchFull`] when the batch would outgrow its 32-bit offsets; the event is not added.
    pub fn push_into(&self, batch: &mut EventBatch, attempt: u32) -> Result<(), BatchFull> {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let attributes: Vec<_> =
            self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        batch.push(&EventFields {
            id: &self.id,
            sequence: self.sequence,
            aggregate_type: &self.aggregate_type,
            aggregate_id: &self.aggregate_id,
            event_type: &self.event_type,
            content_type: self.content_type.as_deref(),
            payload: self.payload.as_deref(),
            headers: &headers,
            attributes: &attributes,
            occurred_at: self.occurred_at,
            attempt,
        })
    }
}

impl From<Event<'_>> for OwnedEvent {
    fn from(event: Event<'_>) -> Self {
        Self {
            id: event.id().to_owned(),
            sequence: event.sequence(),
            aggregate_type: event.aggregate_type().to_owned(),
            aggregate_id: event.aggregate_id().to_owned(),
            event_type: event.event_type().to_owned(),
            content_type: event.content_type().map(str::to_owned),
            payload: event.payload().map(<[u8]>::to_vec),
            headers: event.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
            attributes: event.attributes().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            occurred_at: event.occurred_at(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_it_was_pushed() {
        let mut batch = EventBatch::with_capacity(2, 16);
        let placed = EventFields {
            id: "01JD",
            sequence: 7,
            aggregate_type: "order",
            aggregate_id: "order-1",
            event_type: "OrderPlaced",
            content_type: Some("application/json"),
            payload: Some(b"{}"),
            headers: &[("traceparent", b"00-ab"), ("empty", b"")],
            attributes: &[("tenant", "a")],
            occurred_at: 12,
            attempt: 1,
        };
        let tombstone = EventFields { id: "01JE", sequence: 8, payload: None, headers: &[], ..placed };
        batch.push(&placed).unwrap();
        batch.push(&tombstone).unwrap();

        let first = batch.get(0).unwrap();
        assert_eq!(first.id(), "01JD");
        assert_eq!(first.aggregate_id(), "order-1");
        assert_eq!(first.payload(), Some(&b"{}"[..]));
        assert_eq!(
            first.headers().collect::<Vec<_>>(),
            [("traceparent", &b"00-ab"[..]), ("empty", &b""[..])]
        );
        assert_eq!(first.attributes().collect::<Vec<_>>(), [("tenant", "a")]);
        let second = batch.get(1).unwrap();
        assert_eq!((second.id(), second.payload(), second.headers().len()), ("01JE", None, 0));
        assert!(batch.get(2).is_none());
    }

    #[test]
    fn a_position_survives_its_text_form() {
        let position = Position { base: "7301:1:10-20-12.14".to_owned(), after: 42 };
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        assert!("no sequence here".parse::<Position>().is_err());
    }
}
