//! Where a message goes.

use crate::bindings::relay::plugin::types;

/// Where a message goes: made by [`Kafka`], [`Nats`], [`Http`] or [`Other`], for [`Message::to`](crate::Message::to).
///
/// ```
/// use relay_plugin_sdk::{Http, Kafka, Message, Other};
///
/// let pinned = Message::to(Kafka::topic("orders").partition(3));
/// let moved = Message::to(Http::path("/orders/17").method("PUT"));
/// let custom = Message::to(Other::new("stdout", "orders"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(pub(crate) types::Target);

/// A place in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kafka(types::KafkaTarget);

impl Kafka {
    /// A topic; the partition follows from the key, the record's time from the event's.
    #[must_use]
    pub fn topic(topic: impl Into<String>) -> Self {
        Self(types::KafkaTarget { topic: topic.into(), partition: None, timestamp: None })
    }

    /// Always this partition. Order per key then holds only if a key never changes its partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.0.partition = Some(partition);
        self
    }

    /// The record's time, in milliseconds since the Unix epoch, in place of the event's.
    #[must_use]
    pub fn timestamp(mut self, milliseconds: u64) -> Self {
        self.0.timestamp = Some(milliseconds);
        self
    }
}

/// A place in NATS JetStream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats(types::NatsTarget);

impl Nats {
    /// A subject, without wildcards.
    #[must_use]
    pub fn subject(subject: impl Into<String>) -> Self {
        Self(types::NatsTarget { subject: subject.into() })
    }
}

/// A place behind an HTTP sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http(types::HttpTarget);

impl Http {
    /// A path below the sink's URL, starting with `/`, with a query if there is one, already percent-encoded.
    #[must_use]
    pub fn path(path: impl Into<String>) -> Self {
        Self(types::HttpTarget { path: path.into(), method: None, auth: None })
    }

    /// The method in place of the sink's own, which is POST by default.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.0.method = Some(method.into());
        self
    }

    /// With the sink's credential `name`, which the relay adds to the request: `credentials` of the sink holds it, and
    /// `credentials` of the plugin grants it. Its secret never reaches a plugin.
    #[must_use]
    pub fn auth(mut self, name: impl Into<String>) -> Self {
        self.0.auth = Some(name.into());
        self
    }
}

/// A place in a sink of another kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other(types::OtherTarget);

impl Other {
    /// An address in the notation of sinks of this kind, for example `stdout`.
    #[must_use]
    pub fn new(kind: impl Into<String>, address: impl Into<String>) -> Self {
        Self(types::OtherTarget { kind: kind.into(), address: address.into() })
    }
}

impl From<Kafka> for Target {
    fn from(target: Kafka) -> Self {
        Self(types::Target::Kafka(target.0))
    }
}

impl From<Nats> for Target {
    fn from(target: Nats) -> Self {
        Self(types::Target::Nats(target.0))
    }
}

impl From<Http> for Target {
    fn from(target: Http) -> Self {
        Self(types::Target::Http(target.0))
    }
}

impl From<Other> for Target {
    fn from(target: Other) -> Self {
        Self(types::Target::Other(target.0))
    }
}
