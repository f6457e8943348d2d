//! What becomes of an event.

use crate::bindings::relay::plugin::types;
use crate::{Fault, Message};

/// What becomes of an event. One message, a list of them and an iterator over them turn into it:
///
/// ```
/// # use relay_plugin_sdk::prelude::*;
/// let one: Verdict = Message::kafka("orders").into();
/// let two: Verdict = vec![Message::kafka("orders"), Message::nats("orders.new")].into();
/// let each: Verdict = ["north", "south"].into_iter().map(Message::nats).collect();
/// let none = discard("test traffic");
/// assert_eq!([one, two, each, none].map(|it| it.messages().len()), [1, 2, 2, 0]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send these messages, in order; the event is done once all of them are acknowledged. The relay refuses
    /// an empty list: an event without messages is discarded, with a reason.
    Publish(Vec<Message>),
    /// The event is done without a message; counted under this reason.
    Discard(String),
}

impl Verdict {
    /// The messages; none where the event is discarded.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        match self {
            Self::Publish(messages) => messages,
            Self::Discard(_) => &[],
        }
    }
}

/// Done without a message, counted under `reason`: a short text that does not vary with the event.
#[must_use]
pub fn discard(reason: impl Into<String>) -> Verdict {
    Verdict::Discard(reason.into())
}

impl From<Message> for Verdict {
    fn from(message: Message) -> Self {
        Self::Publish(vec![message])
    }
}

impl From<Vec<Message>> for Verdict {
    fn from(messages: Vec<Message>) -> Self {
        Self::Publish(messages)
    }
}

impl FromIterator<Message> for Verdict {
    fn from_iter<I: IntoIterator<Item = Message>>(messages: I) -> Self {
        Self::Publish(messages.into_iter().collect())
    }
}

/// Puts an answer into the form that crosses the component boundary.
pub(crate) fn lower(answer: Result<Verdict, Fault>) -> types::Verdict {
    match answer {
        Ok(Verdict::Publish(messages)) => {
            types::Verdict::Publish(messages.into_iter().map(|message| message.0).collect())
        }
        Ok(Verdict::Discard(reason)) => types::Verdict::Discard(reason),
        Err(Fault::Retry { reason, after }) => types::Verdict::Retry(types::RetryLater {
            reason,
            after_ms: after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        }),
        Err(Fault::Reject { code, reason }) => types::Verdict::Reject(types::Rejection { code, reason }),
        Err(Fault::Halt { reason }) => types::Verdict::Halt(reason),
    }
}
