//! One committed outbox row, as a plugin sees it.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;

use crate::bindings::relay::plugin::{batch, types};
use crate::{Fault, json};

/// One committed outbox row. The relay makes them; a test makes one with
/// [`EventBuilder`](crate::testing::EventBuilder).
///
/// Its headers, its further columns and the name of its source are fetched from the relay when they are asked for the
/// first time, so a plugin that looks at none of them does not pay for them.
#[derive(Debug)]
pub struct Event {
    row: types::Event,
    /// Its place in the batch that the relay knows.
    index: u32,
    source: OnceLock<String>,
    headers: OnceLock<batch::Headers>,
    attributes: OnceLock<batch::Attributes>,
}

/// What belongs to an event beside its row, for events that no relay knows.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    pub(crate) source: String,
    pub(crate) headers: batch::Headers,
    pub(crate) attributes: batch::Attributes,
}

/// A clone has everything, so that it can be kept: another batch has other events at its place.
impl Clone for Event {
    fn clone(&self) -> Self {
        let beside = Beside {
            source: self.source().to_owned(),
            headers: self.fetched_headers().clone(),
            attributes: self.fetched_attributes().clone(),
        };
        Self::whole(self.row.clone(), beside)
    }
}

impl Event {
    /// The event at `index` of the batch that the relay called with.
    pub(crate) fn of_batch(row: types::Event, index: u32) -> Self {
        let (source, headers, attributes) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { row, index, source, headers, attributes }
    }

    /// An event that has everything and asks no relay.
    pub(crate) fn whole(row: types::Event, beside: Beside) -> Self {
        let Beside { source, headers, attributes } = beside;
        Self { row, index: 0, source: source.into(), headers: headers.into(), attributes: attributes.into() }
    }

    /// The same event on its next attempt.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn tried_again(&self) -> Self {
        let mut again = self.clone();
        again.row.attempt = again.row.attempt.saturating_add(1);
        again
    }

    /// The event's unique id: the same on every delivery and after every restart.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.row.id
    }

    /// The aggregate id: the key within which order is kept. Given to [`Message::key`](crate::Message::key) it
    /// is not even copied.
    #[must_use]
    pub fn key(&self) -> Key<'_> {
        Key(&self.row.aggregate_id)
    }

    /// Which thing the event is about, as plain text; the same as [`key`](Self::key).
    #[must_use]
    pub fn aggregate_id(&self) -> &str {
        &self.row.aggregate_id
    }

    /// What kind of thing the event is about, for example `order`.
    #[must_use]
    pub fn aggregate_type(&self) -> &str {
        &self.row.aggregate_type
    }

    /// What happened, for example `OrderPlaced`.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.row.event_type
    }

    /// The name of the source in the relay's configuration.
    #[must_use]
    pub fn source(&self) -> &str {
        self.source.get_or_init(batch::source)
    }

    /// The place in the outbox: ascends within one source, with gaps.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.row.sequence
    }

    /// The payload's media type, where the outbox carries one.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.row.content_type.as_deref()
    }

    /// The payload as it was written; `None` is a tombstone.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.row.payload.as_deref()
    }

    /// The payload read as JSON into `T`.
    ///
    /// ```
    /// # use relay_plugin_sdk::{prelude::*, testing::EventBuilder};
    /// #[derive(Deserialize)]
    /// struct Order {
    ///     total: u64,
    /// }
    ///
    /// let event = EventBuilder::new("order", "order-17", "OrderPlaced").payload(r#"{"total":12}"#).build();
    /// let order: Order = event.json()?;
    /// assert_eq!(order.total, 12);
    ///
    /// let event = EventBuilder::new("order", "order-17", "OrderPlaced").payload(r#"{"total":"12"}"#).build();
    /// assert!(matches!(event.json::<Order>(), Err(Fault::Reject { code, .. }) if code == "wrong-json"));
    /// # Ok::<(), Fault>(())
    /// ```
    ///
    /// # Errors
    /// A rejection that says where, without any of the payload's values: `not-json` where the payload is
    /// missing or is not JSON, `wrong-json` where it is JSON but does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        json::read(self.json_text()?)
    }

    /// The payload as JSON text, checked and not taken apart: to look at a few places of it, or to copy it.
    ///
    /// ```
    /// # use relay_plugin_sdk::{prelude::*, json::Pointer, testing::EventBuilder};
    /// let event = EventBuilder::new("order", "order-17", "OrderPlaced").payload(r#"{ "total": 12.50 }"#).build();
    /// let total: Pointer = "/total".parse().unwrap();
    /// let document = event.document()?;
    /// // As it was written: a number that is read and written again might have lost its last digit.
    /// assert_eq!(document.at(&total).map(|it| it.raw()), Some("12.50"));
    /// # Ok::<(), Fault>(())
    /// ```
    ///
    /// # Errors
    /// A rejection `not-json` that says where.
    pub fn document(&self) -> Result<json::Document<'_>, Fault> {
        json::Document::parse(self.json_text()?)
    }

    fn json_text(&self) -> Result<&[u8], Fault> {
        self.payload().ok_or_else(|| Fault::reject("not-json", "the event has no payload (a tombstone)"))
    }

    /// The first header called `name`; names compare exactly.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The headers the application wrote, in order; a name may occur more than once.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.fetched_headers().iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// A further column of the outbox that the relay's configuration asked for.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.fetched_attributes().iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn fetched_headers(&self) -> &batch::Headers {
        self.headers.get_or_init(|| batch::headers_of(self.index))
    }

    fn fetched_attributes(&self) -> &batch::Attributes {
        self.attributes.get_or_init(|| batch::attributes_of(self.index))
    }

    /// When the event was written, in microseconds since the Unix epoch.
    #[must_use]
    pub fn occurred_at(&self) -> u64 {
        self.row.occurred_at
    }

    /// 1 on the first run of this event, higher when it is tried again.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.row.attempt
    }
}

/// An event's own key. It reads as text; as a message's key it means "as it came".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key<'a>(&'a str);

impl<'a> Key<'a> {
    /// The key's text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl Deref for Key<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}
