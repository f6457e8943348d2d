//! What becomes of an event.

/// What becomes of an event: a plugin's verdict, in a form that a file can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// These messages, in order.
    Messages(Vec<ExpectedMessage>),
    /// Done without a message.
    Discard(String),
    /// Tried again later.
    Retry {
        /// Why.
        reason: String,
        /// Milliseconds to the earliest next try.
        after_ms: Option<u64>,
    },
    /// A dead letter.
    Reject {
        /// The plugin's own code.
        code: String,
        /// Why.
        reason: String,
    },
    /// The pipeline stops.
    Halt(String),
    /// The plugin failed: the relay's code, `P120` for a trap. Only against the component.
    Fault(String),
}

/// One message of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedMessage {
    /// Its slot, where it has one.
    pub slot: Option<String>,
    /// The sink it is for, where it names one.
    pub sink: Option<String>,
    /// Where it goes.
    pub to: Place,
    /// Its key.
    pub key: Content,
    /// Its body.
    pub body: Content,
    /// Whether the event's headers come first.
    pub event_headers: bool,
    /// Headers of its own, by name; several of one name in their order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On to the next plugin, and after the last by the pipeline's route.
    Next,
    /// A Kafka topic.
    Kafka {
        /// The topic.
        topic: String,
        /// A fixed partition.
        partition: Option<i32>,
        /// The record's time in milliseconds.
        timestamp: Option<u64>,
    },
    /// A NATS subject.
    Nats(String),
    /// A path behind an HTTP sink.
    Http {
        /// The path.
        path: String,
        /// The method.
        method: Option<String>,
        /// The name of the sink's credential.
        auth: Option<String>,
    },
    /// A place in a sink of another kind.
    Other {
        /// The sink's type.
        kind: String,
        /// The address.
        address: String,
    },
}

/// A key or a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The event's own.
    Unchanged,
    /// No value.
    Absent,
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Outcome {
    /// The same outcome with what merely repeats `event` called unchanged, so that a plugin that copies and one
    /// that does not come out alike, and with headers in the order of their names.
    #[must_use]
    pub fn normal(mut self, event: &crate::EventRow) -> Self {
        if let Self::Messages(messages) = &mut self {
            for message in messages {
                message.key.unify(Some(event.aggregate_id.as_bytes()));
                message.body.unify(event.payload.as_deref());
                message.headers.sort_by(|a, b| a.0.cmp(&b.0));
            }
        }
        self
    }
}

impl Content {
    fn unify(&mut self, own: Option<&[u8]>) {
        let same = match (&*self, own) {
            (Self::Bytes(bytes), Some(own)) => bytes == own,
            (Self::Absent, None) => true,
            _ => false,
        };
        if same {
            *self = Self::Unchanged;
        }
    }
}
