//! A plugin's answer for one event, in the host's own types.

use crate::message::Content;

/// What becomes of one event, as a plugin or a route decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send these messages, in order; never empty.
    Publish(Vec<PluginMessage>),
    /// Done without a message, for this reason.
    Discard(String),
    /// Try the event again later.
    Retry {
        /// Why, for the operator.
        reason: String,
        /// The earliest next try; `None`: the pipeline's own backoff.
        after: Option<std::time::Duration>,
    },
    /// A dead letter.
    Reject {
        /// The plugin's own short code.
        code: String,
        /// Why, for the operator.
        reason: String,
    },
    /// Stop the lane until an operator acts.
    Halt(String),
}

/// A message as a plugin names it, before routing and before its grants were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginMessage {
    /// Names the message among those of its event; `None`: its index.
    pub slot: Option<String>,
    /// The sink by its configured name; `None`: each sink whose kind fits the target.
    pub sink: Option<String>,
    /// Where it goes; `None`: on to the next plugin, and after the last one by the pipeline's route.
    pub to: Option<Target>,
    /// Its key.
    pub key: Content,
    /// Its body.
    pub body: Content,
    /// Whether the event's headers come first.
    pub inherit_headers: bool,
    /// Headers of its own.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Where a plugin wants a message to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Kafka topic.
    Kafka {
        /// The topic's name.
        topic: String,
        /// A fixed partition; `None`: by the key's hash.
        partition: Option<i32>,
        /// Milliseconds since the Unix epoch; `None`: when it is sent.
        timestamp: Option<u64>,
    },
    /// A NATS subject.
    Nats {
        /// The subject, without wildcards.
        subject: String,
    },
    /// A path behind an HTTP sink.
    Http {
        /// Path and query below the sink's URL.
        path: String,
        /// The method; `None`: the sink's own.
        method: Option<String>,
        /// The name of the sink's credential; `None`: none.
        auth: Option<String>,
    },
    /// A place in a sink of another kind.
    Other {
        /// The sink's type.
        kind: String,
        /// The address in that sink's notation.
        address: String,
    },
}
