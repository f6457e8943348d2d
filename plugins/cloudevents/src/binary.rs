//! Binary mode: a header for each attribute.

use std::fmt::Write;

use relay_plugin_sdk::{Event, Message};

use crate::Headers;
use crate::attributes::Attributes;

/// `event` with its attributes as headers and its payload as it is.
pub(crate) fn wrap(event: &Event, attributes: &Attributes<'_>, headers: Headers) -> Message {
    let mut message = Message::next();
    for (name, value) in attributes.named() {
        message = match headers {
            Headers::Kafka => message.header(format!("ce_{name}"), value),
            Headers::Http | Headers::Nats => message.header(format!("ce-{name}"), encoded(value)),
        };
    }
    // A tombstone has no content to be of a type.
    if event.payload().is_some() {
        message = message.header("content-type", attributes.content_type());
    }
    message
}

/// Percent-encodes what the HTTP binding asks for: white space, quotes, percent signs, and all but printable
/// ASCII.
fn encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
