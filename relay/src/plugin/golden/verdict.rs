//! Answers of the host in the words of golden cases.

use relay_engine::message::Content;
use relay_engine::verdict::{PluginMessage, Target, Verdict};
use relay_plugin_cases::{Content as ExpectedContent, EventRow, ExpectedMessage, Outcome, Place};

use crate::plugin::Answer;

/// `answer` to `event`, as a case would write it down.
#[must_use]
pub fn outcome(answer: &Answer, event: &EventRow) -> Outcome {
    let outcome = match answer {
        Answer::Fault(fault) | Answer::Failing(fault) => Outcome::Fault(fault.code.to_owned()),
        Answer::Verdict(verdict) => match verdict {
            Verdict::Publish(messages) => Outcome::Messages(messages.iter().map(message).collect()),
            Verdict::Discard(reason) => Outcome::Discard(reason.clone()),
            Verdict::Retry { reason, after } => Outcome::Retry {
                reason: reason.clone(),
                after_ms: after.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
            },
            Verdict::Reject { code, reason } => {
                Outcome::Reject { code: code.clone(), reason: reason.clone() }
            }
            Verdict::Halt(reason) => Outcome::Halt(reason.clone()),
        },
    };
    outcome.normal(event)
}

fn message(it: &PluginMessage) -> ExpectedMessage {
    ExpectedMessage {
        slot: it.slot.clone(),
        sink: it.sink.clone(),
        to: it.to.as_ref().map_or(Place::Next, place),
        key: content(&it.key),
        body: content(&it.body),
        event_headers: it.inherit_headers,
        headers: it.headers.clone(),
    }
}

fn content(content: &Content) -> ExpectedContent {
    match content {
        Content::Unchanged => ExpectedContent::Unchanged,
        Content::Absent => ExpectedContent::Absent,
        Content::Bytes(bytes) => ExpectedContent::Bytes(bytes.clone()),
    }
}

fn place(target: &Target) -> Place {
    match target {
        Target::Kafka { topic, partition, timestamp } => {
            Place::Kafka { topic: topic.clone(), partition: *partition, timestamp: *timestamp }
        }
        Target::Nats { subject } => Place::Nats(subject.clone()),
        Target::Http { path, method, auth } => {
            Place::Http { path: path.clone(), method: method.clone(), auth: auth.clone() }
        }
        Target::Other { kind, address } => Place::Other { kind: kind.clone(), address: address.clone() },
    }
}
