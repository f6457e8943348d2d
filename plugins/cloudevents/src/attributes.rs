//! The attributes of a CloudEvent.

use std::borrow::Cow;

use relay_plugin_sdk::{Event, Fault};

use crate::time;

/// The version of the specification.
const VERSION: &str = "1.0";
/// What a payload is where the outbox does not say.
const DEFAULT_TYPE: &str = "application/json";
/// Extensions taken from the event's headers of the same name (the distributed tracing extension).
const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// The attributes of one event, in the order they are written.
#[derive(Debug)]
pub(crate) struct Attributes<'e> {
    named: Vec<(&'static str, Cow<'e, str>)>,
    content_type: &'e str,
}

impl<'e> Attributes<'e> {
    /// Those of `event`.
    ///
    /// # Errors
    /// A rejection where the event lacks what every CloudEvent must have.
    pub(crate) fn of(event: &'e Event, source: Option<&'e str>, type_prefix: &str) -> Result<Self, Fault> {
        if event.event_type().is_empty() || event.id().is_empty() {
            return Err(Fault::reject(
                "no-type",
                "a CloudEvent needs an id and a type; the event has an empty one",
            ));
        }
        let source = source.map_or_else(|| Cow::Owned(default_source(event)), Cow::Borrowed);
        let mut named = vec![
            ("specversion", Cow::Borrowed(VERSION)),
            ("id", Cow::Borrowed(event.id())),
            ("source", source),
            ("type", prefixed(type_prefix, event.event_type())),
        ];
        // A subject and an extension must not be empty.
        if !event.aggregate_id().is_empty() {
            named.push(("subject", Cow::Borrowed(event.aggregate_id())));
            named.push(("partitionkey", Cow::Borrowed(event.aggregate_id())));
        }
        named.push(("time", Cow::Owned(time::rfc3339(event.occurred_at()))));
        for name in TRACE_HEADERS {
            let value = event.header(name).and_then(|value| std::str::from_utf8(value).ok());
            named.extend(value.filter(|value| !value.is_empty()).map(|value| (name, Cow::Borrowed(value))));
        }
        Ok(Self { named, content_type: event.content_type().unwrap_or(DEFAULT_TYPE) })
    }

    /// Names and values, without `datacontenttype`.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.named.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    /// The payload's media type.
    pub(crate) fn content_type(&self) -> &'e str {
        self.content_type
    }

    /// Whether the payload is said to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        let essence = self.content_type.split(';').next().unwrap_or_default().trim();
        let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
        subtype.eq_ignore_ascii_case("json") || subtype.to_ascii_lowercase().ends_with("+json")
    }
}

fn default_source(event: &Event) -> String {
    format!("/{}", event.source())
}

fn prefixed<'e>(prefix: &str, event_type: &'e str) -> Cow<'e, str> {
    if prefix.is_empty() { Cow::Borrowed(event_type) } else { Cow::Owned(format!("{prefix}{event_type}")) }
}
