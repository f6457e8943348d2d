//! Structured mode: one JSON envelope.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use relay_plugin_sdk::json::Document;
use relay_plugin_sdk::{Event, Message, serde_json};

use crate::attributes::Attributes;

/// The media type of an envelope.
const ENVELOPE: &str = "application/cloudevents+json";

/// `event` in an envelope. A payload that is JSON, and said to be, becomes `data` as it was written; any other
/// becomes `data_base64`. A tombstone has no body to wrap and stays one, or a compacted topic would not forget
/// its key.
pub(crate) fn wrap(event: &Event, attributes: &Attributes<'_>) -> Message {
    let Some(payload) = event.payload() else {
        return Message::next();
    };
    let mut envelope = String::with_capacity(payload.len() + 384);
    for (name, value) in attributes.named() {
        push_member(&mut envelope, name, value);
    }
    push_member(&mut envelope, "datacontenttype", attributes.content_type());
    match Document::parse(payload) {
        Ok(document) if attributes.is_json() => {
            envelope.push_str(",\"data\":");
            envelope.push_str(document.text().trim());
        }
        _ => {
            envelope.push_str(",\"data_base64\":\"");
            STANDARD.encode_string(payload, &mut envelope);
            envelope.push('"');
        }
    }
    envelope.push('}');
    Message::next().body(envelope).header("content-type", ENVELOPE)
}

fn push_member(envelope: &mut String, name: &str, value: &str) {
    envelope.push_str(if envelope.is_empty() { "{\"" } else { ",\"" });
    envelope.push_str(name);
    envelope.push_str("\":");
    // Text always has a JSON form.
    envelope.push_str(&serde_json::to_string(value).unwrap_or_default());
}
