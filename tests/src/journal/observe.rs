//! What a sink holds, in the checker's words.

use super::Observed;
use crate::stack::{ReceivedRequest, Record, StoredMessage};

/// Kafka's header with the idempotency key.
const KAFKA_HEADER: &str = "relay-key";
/// NATS drops a second message with the same value.
const NATS_HEADER: &str = "Nats-Msg-Id";
/// Stable over retries, by the Standard Webhooks contract.
const HTTP_HEADER: &str = "webhook-id";

impl From<&Record> for Observed {
    fn from(record: &Record) -> Self {
        Self {
            body: record.value.clone().unwrap_or_default(),
            key: record.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned()),
            idempotency_key: record.header(KAFKA_HEADER).unwrap_or_default().to_owned(),
        }
    }
}

impl From<&StoredMessage> for Observed {
    fn from(message: &StoredMessage) -> Self {
        let idempotency_key = message.header(NATS_HEADER).unwrap_or_default().to_owned();
        Self { body: message.body.clone(), key: None, idempotency_key }
    }
}

impl From<&ReceivedRequest> for Observed {
    fn from(request: &ReceivedRequest) -> Self {
        let idempotency_key = request.header(HTTP_HEADER).unwrap_or_default().to_owned();
        Self { body: request.body.clone(), key: None, idempotency_key }
    }
}
