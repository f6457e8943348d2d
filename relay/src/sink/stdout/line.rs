//! A message as one line of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relay_engine::message::MessageRef;
use serde::de::IgnoredAny;
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize as _, Serialize};

/// The fields before the body, in their order.
#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    key: Option<Text<'a>>,
    address: &'a str,
    headers: Headers<'a>,
}

/// Bytes as text, or as `{"base64": …}` where they are none.
enum Text<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

struct Headers<'a>(MessageRef<'a>);

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Bytes(bytes), Self::Text)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(bytes))?;
                map.end()
            }
        }
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.headers().map(|(name, value)| (name, Text::from(value))))
    }
}

/// Whether the body can stand in the line as it is: JSON, on one line.
fn is_json_line(bytes: &[u8]) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    !bytes.iter().any(|it| matches!(it, b'\n' | b'\r'))
        && std::str::from_utf8(bytes).is_ok()
        && IgnoredAny::deserialize(&mut reader).is_ok()
        && reader.end().is_ok()
}

/// Appends the line of `message`, with its newline. A body that is JSON is not parsed into values and printed
/// again, so its numbers and the order of its fields stay as they are.
pub(super) fn write(message: MessageRef<'_>, into: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let head = Head {
        id: message.event().id(),
        key: message.key().map(Text::from),
        address: message.place(),
        headers: Headers(message),
    };
    serde_json::to_writer(&mut *into, &head)?;
    // The head's closing brace makes way for the body.
    into.pop();
    into.extend_from_slice(b",\"body\":");
    match message.body() {
        Some(json) if is_json_line(json) => into.extend_from_slice(json),
        other => serde_json::to_writer(&mut *into, &other.map(Text::from))?,
    }
    into.extend_from_slice(b"}\n");
    Ok(())
}
