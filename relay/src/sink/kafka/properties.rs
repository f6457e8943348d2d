//! The settings of the producer, and which of them an operator may change.

use rdkafka::config::ClientConfig;

use super::config::KafkaSinkConfig;

/// Largest request the producer makes, which is also its largest message, in bytes: librdkafka's default, below
/// the broker's own default of 1,048,588.
const DEFAULT_MESSAGE_MAX_BYTES: usize = 1_000_000;
/// What a record costs beside key, body and the message's own headers: lengths, the two headers the sink adds.
const RECORD_OVERHEAD: usize = 1_024;
/// More than the lane's window of 12,288 events, so that the producer's own limit is never what stops a lane.
const QUEUED_MESSAGES: &str = "131072";
/// Twice what the sink lets in (see `ledger`): librdkafka frees a message only after its whole answer was read.
const QUEUED_KBYTES: &str = "65536";

/// Properties the sink's promises rest on; an operator's value for one of them is refused.
pub(super) const RESERVED: [&str; 12] = [
    "bootstrap.servers",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "acks",
    "request.required.acks",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "retries",
    "message.send.max.retries",
    "transactional.id",
    "queue.buffering.max.messages",
    "queue.buffering.max.kbytes",
];

/// How many messages a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batching {
    /// As many as fit.
    Full,
    /// One, so that a refusal for size names the message it means.
    One,
}

/// The first of the operator's properties that is reserved.
pub(super) fn reserved_property(config: &KafkaSinkConfig) -> Option<&str> {
    config.properties.keys().map(String::as_str).find(|name| RESERVED.contains(name))
}

/// The largest message that fits, in bytes of key, body and headers.
pub(super) fn max_message(config: &KafkaSinkConfig) -> usize {
    let limit = config.properties.get("message.max.bytes").and_then(|it| it.parse().ok());
    limit.unwrap_or(DEFAULT_MESSAGE_MAX_BYTES).saturating_sub(RECORD_OVERHEAD)
}

/// The producer's settings.
pub(super) fn client_config(config: &KafkaSinkConfig, batching: Batching) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("client.id", "relay")
        // A backlog batches itself; waiting 5 ms for company cost a median of 7 ms and gained nothing.
        .set("linger.ms", "0")
        // The hash of Java's producer for keyed records, so that services writing the same keys to topics of as
        // many partitions meet in the same partition number (joins, compaction beside other writers). Records
        // without a key are spread at random.
        .set("partitioner", "murmur2_random")
        // A misspelt topic must be an error, not a new topic.
        .set("allow.auto.create.topics", "false")
        .set("message.max.bytes", DEFAULT_MESSAGE_MAX_BYTES.to_string())
        .set("socket.keepalive.enable", "true")
        .set("compression.codec", &config.compression);
    for (name, value) in &config.properties {
        client.set(name, value);
    }
    client
        .set("bootstrap.servers", config.brokers.join(","))
        .set("enable.idempotence", "true")
        .set("enable.gapless.guarantee", "true")
        .set("acks", "all")
        // Never give up by time: a message that timed out may have been stored, and what is behind it would be
        // stored out of order. The lane decides how long an outage lasts.
        .set("message.timeout.ms", "0")
        .set("queue.buffering.max.messages", QUEUED_MESSAGES)
        .set("queue.buffering.max.kbytes", QUEUED_KBYTES);
    if batching == Batching::One {
        client.set("batch.num.messages", "1");
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(properties: &[(&str, &str)]) -> KafkaSinkConfig {
        KafkaSinkConfig {
            name: "events".to_owned(),
            brokers: vec!["a:9092".to_owned(), "b:9092".to_owned()],
            compression: "none".to_owned(),
            properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn what_the_promises_rest_on_cannot_be_configured_away() {
        let client = client_config(&config(&[("acks", "1"), ("linger.ms", "5")]), Batching::One);
        assert_eq!(client.get("acks"), Some("all"));
        assert_eq!(client.get("linger.ms"), Some("5"));
        assert_eq!(client.get("batch.num.messages"), Some("1"));
        assert_eq!(client.get("bootstrap.servers"), Some("a:9092,b:9092"));
        assert_eq!(reserved_property(&config(&[("acks", "1")])), Some("acks"));
        assert_eq!(reserved_property(&config(&[("linger.ms", "5")])), None);
    }

    #[test]
    fn the_size_limit_follows_the_operators_property() {
        assert_eq!(max_message(&config(&[])), 998_976);
        assert_eq!(max_message(&config(&[("message.max.bytes", "5000000")])), 4_998_976);
    }

    #[test]
    fn librdkafka_accepts_the_settings() {
        let client = client_config(&config(&[]), Batching::Full);
        assert!(client.create_native_config().is_ok());
    }
}
