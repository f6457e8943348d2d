//! From a message to a publish.

use std::str::FromStr as _;

use async_nats::header::{HeaderName, HeaderValue};
use async_nats::{HeaderMap, Subject};
use relay_engine::message::MessageRef;
use relay_engine::outcome::{Failure, FailureClass};

use super::classify;

/// Header by which the server knows a repeat.
const ID_HEADER: &str = "Nats-Msg-Id";
/// Header with the message's key: consumers cannot know it otherwise, as the subject need not hold it.
const KEY_HEADER: &str = "relay-message-key";
/// What JetStream's batches are made of; a stray one would hold a message back for ever.
const BATCH_HEADERS: &str = "nats-batch-";

/// The subject of `message`, or why nothing can be published to it. The failure is the message's own.
pub(super) fn subject(message: MessageRef<'_>) -> Result<Subject, Failure> {
    let place = message.place();
    let wild = place.split('.').any(|token| token == "*" || token == ">");
    let subject = Subject::from(place);
    if wild || !subject.is_valid() || place.starts_with("$JS.") {
        return Err(refused(classify::SUBJECT, format!("{place:?} is not a subject to publish to")));
    }
    Ok(subject)
}

/// The message's own headers, its idempotency key as `Nats-Msg-Id`, and its key.
pub(super) fn headers(message: MessageRef<'_>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in message.headers() {
        let reserved = name.eq_ignore_ascii_case(ID_HEADER)
            || name.eq_ignore_ascii_case(KEY_HEADER)
            || name.get(..BATCH_HEADERS.len()).is_some_and(|it| it.eq_ignore_ascii_case(BATCH_HEADERS));
        let legal = HeaderName::from_str(name).ok().filter(|_| !reserved);
        let legal = legal.ok_or_else(|| {
            refused(classify::HEADER, format!("the header {name:?} is not a message's to set"))
        })?;
        headers.append(legal, header_value(name, value)?);
    }
    if let Some(key) = message.key() {
        headers.insert(KEY_HEADER, header_value(KEY_HEADER, key)?);
    }
    let mut id = String::new();
    message.write_idempotency_key(&mut id);
    headers.insert(ID_HEADER, header_value(ID_HEADER, id.as_bytes())?);
    Ok(headers)
}

fn header_value(name: &str, value: &[u8]) -> Result<HeaderValue, Failure> {
    let text = std::str::from_utf8(value).ok().and_then(|it| HeaderValue::from_str(it).ok());
    text.ok_or_else(|| refused(classify::HEADER, format!("the value for {name:?} is not text on one line")))
}

fn refused(code: &'static str, detail: String) -> Failure {
    Failure::new(FailureClass::Permanent, code, detail)
}
