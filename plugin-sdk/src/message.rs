//! One message made from an event.

use serde::Serialize;

use crate::bindings::relay::plugin::types;
use crate::{Event, Fault, Http, Kafka, Key, Nats, Target};

/// One message made from an event.
///
/// It starts with the event's key, payload and headers, none of which is copied; say only what differs.
///
/// ```
/// # use relay_plugin_sdk::{prelude::*, testing::EventBuilder};
/// let event = EventBuilder::new("order", "order-17", "OrderPlaced").payload("{}").build();
///
/// let passed_on = Message::kafka("orders");
/// assert_eq!(passed_on.body_of(&event), Some(&b"{}"[..]));
///
/// let changed = Message::http("/invoices").key("customer-3").json(&["paid"])?.header("kind", "invoice");
/// assert_eq!(changed.key_of(&event), Some(&b"customer-3"[..]));
/// assert_eq!(changed.body_of(&event), Some(&br#"["paid"]"#[..]));
/// # Ok::<(), Fault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(transparent)]
pub struct Message(pub(crate) types::Message);

impl Message {
    /// A message to a Kafka topic.
    #[must_use]
    pub fn kafka(topic: impl Into<String>) -> Self {
        Self::to(Kafka::topic(topic))
    }

    /// A message to a NATS subject.
    #[must_use]
    pub fn nats(subject: impl Into<String>) -> Self {
        Self::to(Nats::subject(subject))
    }

    /// A message to a path behind an HTTP sink.
    #[must_use]
    pub fn http(path: impl Into<String>) -> Self {
        Self::to(Http::path(path))
    }

    /// A message to a target with more than a name: `Message::to(Kafka::topic("orders").partition(3))`.
    #[must_use]
    pub fn to(target: impl Into<Target>) -> Self {
        Self::addressed(Some(target.into().0))
    }

    /// A message without an address: on to the pipeline's next plugin as an event with this key, body and
    /// headers, and after the last plugin by the pipeline's own route.
    #[must_use]
    pub fn next() -> Self {
        Self::addressed(None)
    }

    fn addressed(to: Option<types::Target>) -> Self {
        Self(types::Message {
            slot: None,
            sink: None,
            to,
            key: types::Content::Unchanged,
            body: types::Content::Unchanged,
            inherit_headers: true,
            headers: Vec::new(),
        })
    }

    /// The message's key: the event's own ([`Event::key`]), bytes, text, or [`Content::ABSENT`].
    ///
    /// Order holds within the event's key. Messages under another key may overtake each other.
    #[must_use]
    pub fn key(mut self, key: impl Into<Content>) -> Self {
        self.0.key = key.into().0;
        self
    }

    /// The message's body, in place of the event's payload.
    #[must_use]
    pub fn body(mut self, body: impl Into<Content>) -> Self {
        self.0.body = body.into().0;
        self
    }

    /// `value` as JSON for the body.
    ///
    /// # Errors
    /// A rejection `not-json` where `value` has no JSON form, such as a map whose keys are not text.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Fault> {
        match serde_json::to_vec(value) {
            Ok(body) => Ok(self.body(body)),
            Err(_) => Err(Fault::reject("not-json", "the message's body has no JSON form")),
        }
    }

    /// No body at all: a compacted Kafka topic forgets the key.
    #[must_use]
    pub fn tombstone(self) -> Self {
        self.body(Content::ABSENT)
    }

    /// Adds a header; it replaces the event's headers of the same name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// Leaves out the event's own headers.
    #[must_use]
    pub fn without_event_headers(mut self) -> Self {
        self.0.inherit_headers = false;
        self
    }

    /// Names this message among those of its event; unnamed, its index is its name. The name is part of the
    /// idempotency key: give one where a later version of the plugin may send more messages, or fewer. It may not
    /// hold a `~`, which marks what an operator had transformed anew.
    #[must_use]
    pub fn slot(mut self, slot: impl Into<String>) -> Self {
        self.0.slot = Some(slot.into());
        self
    }

    /// Only for the sink of this name; otherwise for each sink of the pipeline whose kind fits the target.
    #[must_use]
    pub fn sink(mut self, sink: impl Into<String>) -> Self {
        self.0.sink = Some(sink.into());
        self
    }

    /// The key it will have as a message of `event`; `None` is a null key.
    #[must_use]
    pub fn key_of<'a>(&'a self, event: &'a Event) -> Option<&'a [u8]> {
        match &self.0.key {
            types::Content::Unchanged => Some(event.aggregate_id().as_bytes()),
            types::Content::Absent => None,
            types::Content::Bytes(bytes) => Some(bytes),
        }
    }

    /// The body it will have as a message of `event`; `None` is a tombstone.
    #[must_use]
    pub fn body_of<'a>(&'a self, event: &'a Event) -> Option<&'a [u8]> {
        match &self.0.body {
            types::Content::Unchanged => event.payload(),
            types::Content::Absent => None,
            types::Content::Bytes(bytes) => Some(bytes),
        }
    }

    /// Whether its body is the event's payload as it came.
    #[must_use]
    pub fn keeps_body(&self) -> bool {
        matches!(self.0.body, types::Content::Unchanged)
    }

    /// The headers it will have as a message of `event`: the inherited ones that it does not replace, then its
    /// own.
    pub fn headers_of<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let own = || self.0.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let inherited = self.0.inherit_headers.then(|| event.headers()).into_iter().flatten();
        inherited.filter(move |(name, _)| own().all(|(replaced, _)| replaced != *name)).chain(own())
    }
}

/// A message's key or body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content(types::Content);

impl Content {
    /// What the event holds: its key, or its payload. Nothing is copied.
    pub const UNCHANGED: Self = Self(types::Content::Unchanged);
    /// No value at all: a null key, or a tombstone.
    pub const ABSENT: Self = Self(types::Content::Absent);
}

impl From<Key<'_>> for Content {
    fn from(_: Key<'_>) -> Self {
        Self::UNCHANGED
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(types::Content::Bytes(bytes))
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}
