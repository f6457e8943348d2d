//! Addresses made from an event's own columns.

use super::address::SinkKind;
use crate::event::Event;

/// An address with `{aggregatetype}`, `{aggregateid}`, `{type}` and `{id}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    AggregateType,
    AggregateId,
    EventType,
    Id,
}

/// A template that names something an event does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTemplate(String);

impl std::str::FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, behind) = rest.split_at(open);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((name, after)) = behind[1..].split_once('}') else {
                return Err(InvalidTemplate(format!("{text:?}: '{{' without '}}'")));
            };
            parts.push(match name {
                "aggregatetype" => Part::AggregateType,
                "aggregateid" => Part::AggregateId,
                "type" => Part::EventType,
                "id" => Part::Id,
                other => {
                    return Err(InvalidTemplate(format!(
                        "{text:?}: an event has no {{{other}}}; allowed: {{aggregatetype}}, {{aggregateid}}, \
                         {{type}}, {{id}}"
                    )));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl Template {
    /// The address of `event` in a sink of `kind`. In paths the event's values are percent-encoded, so that no
    /// value can leave its segment; elsewhere an unfit value makes an address that
    /// [`SinkKind::check`] refuses.
    #[must_use]
    pub fn render(&self, kind: SinkKind, event: Event<'_>) -> String {
        let mut address = String::new();
        for part in &self.0 {
            let value = match part {
                Part::Text(text) => {
                    address.push_str(text);
                    continue;
                }
                Part::AggregateType => event.aggregate_type(),
                Part::AggregateId => event.aggregate_id(),
                Part::EventType => event.event_type(),
                Part::Id => event.id(),
            };
            if kind == SinkKind::Http { percent_encode(value, &mut address) } else { address.push_str(value) }
        }
        address
    }
}

/// Appends `value` as it stands in a path, by RFC 3986: everything but unreserved characters is encoded. So is a value
/// of dots alone, as it would be a dot segment.
pub fn percent_encode(value: &str, into: &mut String) {
    use std::fmt::Write as _;
    let only_dots = value.bytes().all(|byte| byte == b'.');
    for byte in value.bytes() {
        let unreserved =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || byte == b'.' && !only_dots;
        if unreserved {
            into.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventBatch, EventFields};

    #[test]
    fn a_template_takes_its_values_from_the_event_and_encodes_them_in_paths() {
        let mut batch = EventBatch::default();
        let event = EventFields {
            id: "01JD",
            aggregate_type: "order",
            aggregate_id: "a/b",
            event_type: "OrderPlaced",
            ..EventFields::default()
        };
        batch.push(&event).unwrap();
        let event = batch.get(0).unwrap();
        let render = |text: &str, kind| text.parse::<Template>().unwrap().render(kind, event);
        assert_eq!(render("outbox.event.{aggregatetype}", SinkKind::Kafka), "outbox.event.order");
        assert_eq!(render("/{aggregatetype}/{aggregateid}/{id}", SinkKind::Http), "/order/a%2Fb/01JD");
        assert_eq!(render("", SinkKind::Http), "");
        assert!("{tenant}".parse::<Template>().unwrap_err().to_string().contains("{aggregatetype}"));
        assert!("{id".parse::<Template>().is_err());
    }
}
