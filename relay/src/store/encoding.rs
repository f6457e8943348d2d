//! The text form of messages, headers and lists in the SQL stores.
//!
//! JSON, because operators look at these tables by hand. Bytes come back exactly as they went in: what is
//! UTF-8 is written as text, the rest as base64. Every document carries the version of its form, so that a
//! later relay can tell an old row from a new one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relay_engine::message::{Address, Content, Message};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fault::{Cause, store_error};
use super::port::StoreError;

/// The form written by this relay.
const VERSION: u32 = 1;

/// One column's document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    v: u32,
    items: Vec<T>,
}

/// Bytes, readable where they can be.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredBytes {
    Text(String),
    Base64(String),
}

impl StoredBytes {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    fn into_bytes(self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Base64(text) => {
                STANDARD.decode(text).map_err(|error| unreadable(format!("base64: {error}")))
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredContent {
    Unchanged,
    Absent,
    Bytes(StoredBytes),
}

impl StoredContent {
    fn of(content: &Content) -> Self {
        match content {
            Content::Unchanged => Self::Unchanged,
            Content::Absent => Self::Absent,
            Content::Bytes(bytes) => Self::Bytes(StoredBytes::of(bytes)),
        }
    }

    fn into_content(self) -> Result<Content, StoreError> {
        Ok(match self {
            Self::Unchanged => Content::Unchanged,
            Self::Absent => Content::Absent,
            Self::Bytes(bytes) => Content::Bytes(bytes.into_bytes()?),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMessage {
    slot: String,
    place: String,
    partition: Option<i32>,
    timestamp: Option<i64>,
    method: Option<String>,
    /// The name of a credential, never the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth: Option<String>,
    key: StoredContent,
    body: StoredContent,
    inherit_headers: bool,
    headers: Vec<(String, StoredBytes)>,
}

impl StoredMessage {
    fn of(message: &Message) -> Self {
        let address = message.address.clone();
        Self {
            slot: message.slot.clone(),
            place: address.place,
            partition: address.partition,
            timestamp: address.timestamp,
            method: address.method,
            auth: address.auth,
            key: StoredContent::of(&message.key),
            body: StoredContent::of(&message.body),
            inherit_headers: message.inherit_headers,
            headers: stored_headers(&message.headers),
        }
    }

    fn into_message(self) -> Result<Message, StoreError> {
        Ok(Message {
            slot: self.slot,
            address: Address {
                place: self.place,
                partition: self.partition,
                timestamp: self.timestamp,
                method: self.method,
                auth: self.auth,
            },
            key: self.key.into_content()?,
            body: self.body.into_content()?,
            inherit_headers: self.inherit_headers,
            headers: owned_headers(self.headers)?,
        })
    }
}

fn stored_headers(headers: &[(String, Vec<u8>)]) -> Vec<(String, StoredBytes)> {
    headers.iter().map(|(name, value)| (name.clone(), StoredBytes::of(value))).collect()
}

fn owned_headers(headers: Vec<(String, StoredBytes)>) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    headers.into_iter().map(|(name, value)| Ok((name, value.into_bytes()?))).collect()
}

/// Rendered messages as text.
pub(super) fn write_messages(messages: &[Message]) -> Result<String, StoreError> {
    write(messages.iter().map(StoredMessage::of).collect())
}

/// What [`write_messages`] wrote.
pub(super) fn read_messages(text: &str) -> Result<Vec<Message>, StoreError> {
    read::<StoredMessage>(text)?.into_iter().map(StoredMessage::into_message).collect()
}

/// An event's headers as text.
pub(super) fn write_headers(headers: &[(String, Vec<u8>)]) -> Result<String, StoreError> {
    write(stored_headers(headers))
}

/// What [`write_headers`] wrote.
pub(super) fn read_headers(text: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    owned_headers(read(text)?)
}

/// An event's further columns as text.
pub(super) fn write_attributes(attributes: &[(String, String)]) -> Result<String, StoreError> {
    write(attributes.iter().collect())
}

/// What [`write_attributes`] wrote.
pub(super) fn read_attributes(text: &str) -> Result<Vec<(String, String)>, StoreError> {
    read(text)
}

/// Slots or digests as text.
pub(super) fn write_names(names: &[String]) -> Result<String, StoreError> {
    write(names.iter().collect())
}

/// What [`write_names`] wrote.
pub(super) fn read_names(text: &str) -> Result<Vec<String>, StoreError> {
    read(text)
}

fn write<T: Serialize>(items: Vec<T>) -> Result<String, StoreError> {
    serde_json::to_string(&Document { v: VERSION, items }).map_err(|error| {
        store_error(Cause::Rejected, format!("an event can't be written as text: {error}"), None)
    })
}

fn read<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, StoreError> {
    // The category and place alone: serde_json quotes what it found, and that may be a payload.
    let document: Document<T> = serde_json::from_str(text).map_err(|error| {
        unreadable(format!("{:?} error at column {} of its text", error.classify(), error.column()))
    })?;
    if document.v == VERSION {
        Ok(document.items)
    } else {
        Err(unreadable(format!("form {} of its text, this relay knows {VERSION}", document.v)))
    }
}

fn unreadable(why: String) -> StoreError {
    store_error(Cause::Unreadable, format!("a row of the relay's tables can't be read: {why}"), None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            any::<String>().prop_map(String::into_bytes)
        ]
    }

    fn any_content() -> impl Strategy<Value = Content> {
        prop_oneof![Just(Content::Unchanged), Just(Content::Absent), any_bytes().prop_map(Content::Bytes)]
    }

    fn any_headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        proptest::collection::vec((any::<String>(), any_bytes()), 0..4)
    }

    fn any_address() -> impl Strategy<Value = Address> {
        (any::<String>(), any::<Option<i32>>(), any::<Option<i64>>(), any::<[Option<String>; 2]>()).prop_map(
            |(place, partition, timestamp, [method, auth])| Address {
                place,
                partition,
                timestamp,
                method,
                auth,
            },
        )
    }

    fn any_message() -> impl Strategy<Value = Message> {
        (any::<String>(), any_address(), any_content(), any_content(), any::<bool>(), any_headers()).prop_map(
            |(slot, address, key, body, inherit_headers, headers)| Message {
                slot,
                address,
                key,
                body,
                inherit_headers,
                headers,
            },
        )
    }

    proptest! {
        #[test]
        fn messages_come_back_byte_for_byte(messages in proptest::collection::vec(any_message(), 0..4)) {
            prop_assert_eq!(read_messages(&write_messages(&messages).unwrap()).unwrap(), messages);
        }

        #[test]
        fn headers_come_back_byte_for_byte(headers in any_headers()) {
            prop_assert_eq!(read_headers(&write_headers(&headers).unwrap()).unwrap(), headers);
        }

        #[test]
        fn attributes_and_names_come_back_as_they_were(
            attributes in proptest::collection::vec((any::<String>(), any::<String>()), 0..4),
            names in proptest::collection::vec(any::<String>(), 0..4),
        ) {
            prop_assert_eq!(read_attributes(&write_attributes(&attributes).unwrap()).unwrap(), attributes);
            prop_assert_eq!(read_names(&write_names(&names).unwrap()).unwrap(), names);
        }
    }

    #[test]
    fn text_stays_readable_and_bytes_are_base64() {
        let headers = [("a".to_owned(), b"plain".to_vec()), ("b".to_owned(), vec![0xff, 0])];
        assert_eq!(
            write_headers(&headers).unwrap(),
            r#"{"v":1,"items":[["a",{"text":"plain"}],["b",{"base64":"/wA="}]]}"#
        );
    }

    #[test]
    fn another_form_is_refused_and_its_content_not_quoted() {
        let newer = read_names(r#"{"v":2,"items":["secret"]}"#).unwrap_err().to_string();
        assert!(newer.starts_with("T507") && newer.contains("form 2"), "{newer}");
        let broken = read_names(r#"{"v":1,"items":[{"secret":1}]}"#).unwrap_err().to_string();
        assert!(broken.starts_with("T507") && !broken.contains("secret"), "{broken}");
    }
}
