//! Messages: what plugins and routes make of events, ready for one sink.
//!
//! A [`MessageBatch`] belongs to the [`EventBatch`] it was made from and borrows unchanged keys, bodies and
//! headers from it. [`Message`] is the owned form, kept in the side table so that a retry sends what the first
//! attempt sent.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use crate::event::{BatchFull, Event, EventBatch, Span};

/// A message's key or body, relative to its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What the event holds: its aggregate id as key, its payload as body.
    Unchanged,
    /// No value at all.
    Absent,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Where in its sink a message goes, already checked against the grants of the plugin that addressed it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Topic, subject or path.
    pub place: String,
    /// Kafka: a fixed partition.
    pub partition: Option<i32>,
    /// Kafka: the record's timestamp in milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
    /// HTTP: the method, where it differs from the sink's.
    pub method: Option<String>,
    /// HTTP: the name of the sink's credential that goes with the message; the sink holds the secret.
    pub auth: Option<String>,
}

/// One message for one sink, standing on its own or beside its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names the message among those of its event; part of the idempotency key.
    pub slot: String,
    /// Where it goes.
    pub address: Address,
    /// Its key.
    pub key: Content,
    /// Its body.
    pub body: Content,
    /// Whether the event's headers come first.
    pub inherit_headers: bool,
    /// Headers of its own; one with an inherited name replaces it.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// The messages that one batch of events makes for one sink, grouped by event.
#[derive(Debug)]
pub struct MessageBatch {
    pipeline: Arc<str>,
    events: Arc<EventBatch>,
    text: String,
    bytes: Vec<u8>,
    headers: Vec<(Span, Span)>,
    messages: Vec<Entry>,
    by_event: Vec<Range<u32>>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Unchanged,
    Absent,
    Bytes(Span),
}

#[derive(Debug)]
struct Entry {
    event: u32,
    slot: Span,
    place: Span,
    partition: Option<i32>,
    timestamp: Option<i64>,
    method: Option<Span>,
    auth: Option<Span>,
    key: Part,
    body: Part,
    inherit_headers: bool,
    headers: Range<u32>,
}

impl MessageBatch {
    /// No messages yet, for `events` of `pipeline`.
    #[must_use]
    pub fn new(pipeline: Arc<str>, events: Arc<EventBatch>) -> Self {
        let count = events.len();
        Self {
            pipeline,
            events,
            text: String::with_capacity(count * 24),
            bytes: Vec::new(),
            headers: Vec::new(),
            messages: Vec::with_capacity(count),
            by_event: Vec::with_capacity(count),
        }
    }

    /// Appends the messages of the next event, in order; call once per event, with none where it makes none.
    ///
    /// # Errors
    /// [`BatchFull`] when the batch would outgrow its 32-bit offsets.
    pub fn push_event<'m>(
        &mut self,
        messages: impl IntoIterator<Item = &'m Message>,
    ) -> Result<(), BatchFull> {
        let event = u32::try_from(self.by_event.len()).map_err(|_| BatchFull)?;
        let first = u32::try_from(self.messages.len()).map_err(|_| BatchFull)?;
        for message in messages {
            let entry = self.entry(event, message)?;
            self.messages.push(entry);
        }
        let end = u32::try_from(self.messages.len()).map_err(|_| BatchFull)?;
        self.by_event.push(first..end);
        Ok(())
    }

    fn entry(&mut self, event: u32, message: &Message) -> Result<Entry, BatchFull> {
        let first_header = u32::try_from(self.headers.len()).map_err(|_| BatchFull)?;
        for (name, value) in &message.headers {
            let name = Span::push_text(&mut self.text, name)?;
            let value = Span::push_bytes(&mut self.bytes, value)?;
            self.headers.push((name, value));
        }
        let end_header = u32::try_from(self.headers.len()).map_err(|_| BatchFull)?;
        let address = &message.address;
        Ok(Entry {
            event,
            slot: Span::push_text(&mut self.text, &message.slot)?,
            place: Span::push_text(&mut self.text, &address.place)?,
            partition: address.partition,
            timestamp: address.timestamp,
            method: address.method.as_deref().map(|it| Span::push_text(&mut self.text, it)).transpose()?,
            auth: address.auth.as_deref().map(|it| Span::push_text(&mut self.text, it)).transpose()?,
            key: self.part(&message.key)?,
            body: self.part(&message.body)?,
            inherit_headers: message.inherit_headers,
            headers: first_header..end_header,
        })
    }

    fn part(&mut self, content: &Content) -> Result<Part, BatchFull> {
        Ok(match content {
            Content::Unchanged => Part::Unchanged,
            Content::Absent => Part::Absent,
            Content::Bytes(bytes) => Part::Bytes(Span::push_bytes(&mut self.bytes, bytes)?),
        })
    }

    /// How many messages it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes held by the messages themselves, without the events they borrow from.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len() + self.bytes.len()
    }

    /// The events the messages were made from.
    #[must_use]
    pub fn events(&self) -> &Arc<EventBatch> {
        &self.events
    }

    /// The indexes of the messages of the event at `event`.
    #[must_use]
    pub fn of_event(&self, event: usize) -> Range<u32> {
        self.by_event.get(event).cloned().unwrap_or_default()
    }

    /// The message at `index`, if there is one.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<MessageRef<'_>> {
        let entry = self.messages.get(index as usize)?;
        let event = self.events.get(entry.event as usize)?;
        Some(MessageRef { batch: self, entry, event })
    }
}

/// One message of a batch, as a sink sees it.
#[derive(Debug, Clone, Copy)]
pub struct MessageRef<'a> {
    batch: &'a MessageBatch,
    entry: &'a Entry,
    event: Event<'a>,
}

impl<'a> MessageRef<'a> {
    /// The event it was made from.
    #[must_use]
    pub fn event(self) -> Event<'a> {
        self.event
    }

    /// The index of its event within the batch.
    #[must_use]
    pub fn event_index(self) -> usize {
        self.entry.event as usize
    }

    /// Names the message among those of its event.
    #[must_use]
    pub fn slot(self) -> &'a str {
        self.entry.slot.text(&self.batch.text)
    }

    /// Topic, subject or path.
    #[must_use]
    pub fn place(self) -> &'a str {
        self.entry.place.text(&self.batch.text)
    }

    /// Kafka: a fixed partition.
    #[must_use]
    pub fn partition(self) -> Option<i32> {
        self.entry.partition
    }

    /// Kafka: the record's timestamp in milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(self) -> Option<i64> {
        self.entry.timestamp
    }

    /// HTTP: the method, where it differs from the sink's.
    #[must_use]
    pub fn method(self) -> Option<&'a str> {
        self.entry.method.map(|it| it.text(&self.batch.text))
    }

    /// HTTP: the name of the sink's credential that goes with it.
    #[must_use]
    pub fn auth(self) -> Option<&'a str> {
        self.entry.auth.map(|it| it.text(&self.batch.text))
    }

    /// The key's bytes; `None` is a null key.
    #[must_use]
    pub fn key(self) -> Option<&'a [u8]> {
        match self.entry.key {
            Part::Unchanged => Some(self.event.aggregate_id().as_bytes()),
            Part::Absent => None,
            Part::Bytes(span) => Some(span.bytes(&self.batch.bytes)),
        }
    }

    /// The body; `None` is a tombstone.
    #[must_use]
    pub fn body(self) -> Option<&'a [u8]> {
        match self.entry.body {
            Part::Unchanged => self.event.payload(),
            Part::Absent => None,
            Part::Bytes(span) => Some(span.bytes(&self.batch.bytes)),
        }
    }

    /// All headers: the inherited ones that are not replaced, then its own.
    pub fn headers(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let inherited = self.entry.inherit_headers.then(|| self.event.headers()).into_iter().flatten();
        inherited
            .filter(move |(name, _)| self.own_headers().all(|(own, _)| own != *name))
            .chain(self.own_headers())
    }

    /// The headers the message brings itself.
    pub fn own_headers(self) -> impl ExactSizeIterator<Item = (&'a str, &'a [u8])> {
        let range = self.entry.headers.start as usize..self.entry.headers.end as usize;
        self.batch.headers[range]
            .iter()
            .map(|(name, value)| (name.text(&self.batch.text), value.bytes(&self.batch.bytes)))
    }

    /// Appends the idempotency key, `pipeline/event id/slot`: the same on every attempt, after every restart
    /// and from every relay.
    pub fn write_idempotency_key(self, into: &mut String) {
        // Writing to a String does not fail.
        let _ = write!(into, "{}/{}/{}", self.batch.pipeline, self.event.id(), self.slot());
    }

    /// Bytes of key, body and headers: what counts against a sink's limit.
    #[must_use]
    pub fn size(self) -> usize {
        let headers: usize = self.headers().map(|(name, value)| name.len() + value.len()).sum();
        self.key().map_or(0, <[u8]>::len) + self.body().map_or(0, <[u8]>::len) + headers
    }

    /// The owned form, for the side table.
    #[must_use]
    pub fn to_message(self) -> Message {
        let content = |part| match part {
            Part::Unchanged => Content::Unchanged,
            Part::Absent => Content::Absent,
            Part::Bytes(span) => Content::Bytes(span.bytes(&self.batch.bytes).to_vec()),
        };
        Message {
            slot: self.slot().to_owned(),
            address: Address {
                place: self.place().to_owned(),
                partition: self.partition(),
                timestamp: self.timestamp(),
                method: self.method().map(str::to_owned),
                auth: self.auth().map(str::to_owned),
            },
            key: content(self.entry.key),
            body: content(self.entry.body),
            inherit_headers: self.entry.inherit_headers,
            headers: self.own_headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventFields;

    fn one_event() -> Arc<EventBatch> {
        let mut events = EventBatch::default();
        let fields = EventFields {
            id: "01JD",
            aggregate_id: "order-1",
            payload: Some(b"{}"),
            headers: &[("a", b"1"), ("b", b"2")],
            ..EventFields::default()
        };
        events.push(&fields).unwrap();
        Arc::new(events)
    }

    fn message() -> Message {
        Message {
            slot: "0".to_owned(),
            address: Address { place: "orders".to_owned(), partition: Some(3), ..Address::default() },
            key: Content::Unchanged,
            body: Content::Unchanged,
            inherit_headers: true,
            headers: vec![("b".to_owned(), b"3".to_vec())],
        }
    }

    #[test]
    fn an_unchanged_message_borrows_from_its_event_and_its_headers_replace_inherited_ones() {
        let mut batch = MessageBatch::new("orders".into(), one_event());
        batch.push_event([&message()]).unwrap();
        let sent = batch.get(0).unwrap();
        assert_eq!(sent.key(), Some(&b"order-1"[..]));
        assert_eq!(sent.body(), Some(&b"{}"[..]));
        assert_eq!(sent.headers().collect::<Vec<_>>(), [("a", &b"1"[..]), ("b", &b"3"[..])]);
        assert_eq!(sent.size(), 7 + 2 + 4);
        let mut key = String::new();
        sent.write_idempotency_key(&mut key);
        assert_eq!(key, "orders/01JD/0");
    }

    #[test]
    fn the_owned_form_renders_the_same_message_again() {
        let original =
            Message { body: Content::Bytes(b"changed".to_vec()), key: Content::Absent, ..message() };
        let mut batch = MessageBatch::new("orders".into(), one_event());
        batch.push_event([&original]).unwrap();
        assert_eq!(batch.get(0).unwrap().to_message(), original);
        assert_eq!(batch.of_event(0), 0..1);
        assert_eq!(batch.of_event(1), 0..0);
    }
}
