//! Addresses with values of the event in them.

use std::borrow::Cow;
use std::fmt::Write;

use relay_plugin_sdk::json::Pointer;
use relay_plugin_sdk::{Event, Fault};

use crate::payload::Payload;

/// Kafka's own limit for the name of a topic.
const LONGEST_TOPIC: usize = 249;

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Kafka,
    Nats,
    Http,
}

impl Place {
    /// As it is called in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Nats => "nats",
            Self::Http => "http",
        }
    }

    /// What is wrong with `address`, as a whole, in words that do not quote it.
    fn fault(self, address: &str) -> Option<&'static str> {
        let valid = match self {
            Self::Kafka => is_topic(address),
            Self::Nats => address.split('.').all(is_subject_token),
            Self::Http => address.starts_with('/'),
        };
        let words = match self {
            Self::Kafka => "a topic has 1 to 249 letters, digits, \".\", \"_\" and \"-\"",
            Self::Nats => "a subject has no empty token, white space, \"*\" or \">\"",
            Self::Http => "a path starts with \"/\"",
        };
        (!valid).then_some(words)
    }
}

fn is_topic(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_TOPIC && name.bytes().all(plain)
}

fn is_subject_token(token: &str) -> bool {
    let special = |it: char| it.is_whitespace() || it.is_control() || it == '*' || it == '>';
    !token.is_empty() && !token.contains(special)
}

/// An address with values of the event in it.
#[derive(Debug)]
pub(crate) struct Template {
    place: Place,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    AggregateType,
    AggregateId,
    Type,
    Id,
    Json(Pointer),
}

impl Template {
    /// Reads `text`, or says what is wrong with it and what is allowed.
    pub(crate) fn new(place: Place, text: &str) -> Result<Self, String> {
        let parts = parse(text)?;
        let constant = match parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text.as_str()),
            [Part::Text(first), ..] if place == Place::Http => Some(first.as_str()),
            [_, ..] if place == Place::Http => Some(""),
            _ => None,
        };
        match constant.and_then(|constant| place.fault(constant)) {
            Some(words) => Err(format!("{text:?} is not an address: {words}")),
            None => Ok(Self { place, parts }),
        }
    }

    /// What kind of address it makes.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The address for `event`.
    pub(crate) fn render(&self, event: &Event, payload: &Payload<'_>) -> Result<String, Fault> {
        if let [Part::Text(text)] = self.parts.as_slice() {
            return Ok(text.clone());
        }
        let mut address = String::with_capacity(48);
        for part in &self.parts {
            match part {
                Part::Text(text) => address.push_str(text),
                Part::AggregateType => self.push(&mut address, event.aggregate_type()),
                Part::AggregateId => self.push(&mut address, event.aggregate_id()),
                Part::Type => self.push(&mut address, event.event_type()),
                Part::Id => self.push(&mut address, event.id()),
                Part::Json(pointer) => self.push(&mut address, &text_at(pointer, payload)?),
            }
        }
        match self.place.fault(&address) {
            Some(words) => {
                let place = self.place.word();
                Err(Fault::reject(
                    "bad-address",
                    format!("the event's values make no {place} address: {words}"),
                ))
            }
            None => Ok(address),
        }
    }

    /// A value must not change which path it is put into: `a/../b` is one step, not three.
    fn push(&self, address: &mut String, value: &str) {
        match self.place {
            Place::Kafka | Place::Nats => address.push_str(value),
            Place::Http => push_encoded(address, value),
        }
    }
}

fn text_at<'e>(pointer: &Pointer, payload: &Payload<'e>) -> Result<Cow<'e, str>, Fault> {
    payload.at(pointer)?.and_then(|node| node.scalar()).ok_or_else(|| {
        Fault::reject("no-value", format!("the payload has no text, number or truth value at {pointer}"))
    })
}

fn push_encoded(address: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !is_dots(value)) {
            address.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
}

/// `.` and `..` as a whole step of a path would be taken for "here" and "up".
fn is_dots(value: &str) -> bool {
    matches!(value, "." | "..")
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            plain.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let (name, after) =
            rest.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or_else(|| {
                format!("{text:?} has a brace without its pair; write {{{{ or }}}} for a brace")
            })?;
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(placeholder(name)?);
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

fn placeholder(name: &str) -> Result<Part, String> {
    match name {
        "aggregatetype" => Ok(Part::AggregateType),
        "aggregateid" => Ok(Part::AggregateId),
        "type" => Ok(Part::Type),
        "id" => Ok(Part::Id),
        _ => match name.strip_prefix("json:") {
            Some(pointer) => pointer.parse().map(Part::Json).map_err(|error| format!("{error}")),
            None => Err(format!(
                "{{{name}}} is not known; allowed: {{aggregatetype}}, {{aggregateid}}, {{type}}, {{id}}, {{json:/pointer}}"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_plugin_sdk::testing::EventBuilder;

    fn render(place: Place, template: &str, aggregate_id: &str) -> Result<String, Fault> {
        let event = EventBuilder::new("order", aggregate_id, "OrderPlaced")
            .id("e-1")
            .payload(r#"{"customer":{"id":17,"name":"Ann Lee"},"tags":[]}"#)
            .build();
        let payload = Payload::of(&event);
        Template::new(place, template).unwrap().render(&event, &payload)
    }

    #[test]
    fn placeholders_become_the_events_values() {
        let rendered = render(Place::Kafka, "x.{aggregatetype}.{aggregateid}.{type}.{id}", "o1").unwrap();
        assert_eq!(rendered, "x.order.o1.OrderPlaced.e-1");
        let rendered = render(Place::Nats, "c.{json:/customer/id}", "o1").unwrap();
        assert_eq!(rendered, "c.17");
    }

    #[test]
    fn values_in_a_path_cannot_leave_their_step() {
        let path = |id| render(Place::Http, "/orders/{aggregateid}?by={json:/customer/name}", id).unwrap();
        assert_eq!(path("a/../b?c#d"), "/orders/a%2F..%2Fb%3Fc%23d?by=Ann%20Lee");
        assert_eq!(path(".."), "/orders/%2E%2E?by=Ann%20Lee");
        assert_eq!(path("1.5é"), "/orders/1.5%C3%A9?by=Ann%20Lee");
    }

    #[test]
    fn values_that_make_no_address_are_rejected_and_not_quoted() {
        let faults = [(Place::Kafka, "a b"), (Place::Nats, "a.>"), (Place::Nats, "a..b"), (Place::Kafka, "")];
        for (place, id) in faults {
            let fault = render(place, "{aggregateid}", id).unwrap_err();
            let Fault::Reject { code, reason } = fault else { panic!("not a rejection: {fault:?}") };
            assert_eq!(code, "bad-address");
            assert!(id.is_empty() || !reason.contains(id), "{reason}");
        }
    }

    #[test]
    fn a_missing_value_is_rejected_with_its_place() {
        for pointer in ["/customer/email", "/customer", "/tags"] {
            let fault = render(Place::Kafka, &format!("{{json:{pointer}}}"), "o1").unwrap_err();
            let reason = format!("the payload has no text, number or truth value at {pointer}");
            assert_eq!(fault, Fault::reject("no-value", reason));
        }
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(render(Place::Nats, "{{{id}}}", "o1").unwrap(), "{e-1}");
        assert!(Template::new(Place::Nats, "a{").is_err());
        assert!(Template::new(Place::Nats, "a}").is_err());
    }

    #[test]
    fn constant_parts_are_checked_before_any_event() {
        let wrong = |place, text| Template::new(place, text).unwrap_err();
        assert!(wrong(Place::Kafka, "or ders").contains("a topic has"));
        assert!(wrong(Place::Kafka, "").contains("a topic has"));
        assert!(wrong(Place::Nats, "orders.*").contains("a subject has"));
        assert!(wrong(Place::Http, "orders/{id}").contains("starts with"));
        assert!(wrong(Place::Http, "{id}").contains("starts with"));
        assert!(wrong(Place::Kafka, "{aggregate}").contains("allowed: {aggregatetype}"));
        assert!(wrong(Place::Kafka, "{json:a}").contains("JSON Pointer"));
    }
}
