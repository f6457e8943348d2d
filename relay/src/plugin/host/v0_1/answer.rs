//! Verdicts on their way out of a guest.

use std::time::Duration;

use relay_engine::message::Content;
use relay_engine::verdict::{PluginMessage, Target, Verdict};

use super::bindings::relay::plugin::types as wit;

pub(super) fn verdict(verdict: wit::Verdict) -> Verdict {
    match verdict {
        wit::Verdict::Publish(messages) => Verdict::Publish(messages.into_iter().map(message).collect()),
        wit::Verdict::Discard(reason) => Verdict::Discard(reason),
        wit::Verdict::Retry(retry) => {
            Verdict::Retry { reason: retry.reason, after: retry.after_ms.map(Duration::from_millis) }
        }
        wit::Verdict::Reject(rejection) => Verdict::Reject { code: rejection.code, reason: rejection.reason },
        wit::Verdict::Halt(reason) => Verdict::Halt(reason),
    }
}

fn message(message: wit::Message) -> PluginMessage {
    PluginMessage {
        slot: message.slot,
        sink: message.sink,
        to: message.to.map(target),
        key: content(message.key),
        body: content(message.body),
        inherit_headers: message.inherit_headers,
        headers: message.headers,
    }
}

fn content(content: wit::Content) -> Content {
    match content {
        wit::Content::Unchanged => Content::Unchanged,
        wit::Content::Absent => Content::Absent,
        wit::Content::Bytes(bytes) => Content::Bytes(bytes),
    }
}

fn target(target: wit::Target) -> Target {
    match target {
        wit::Target::Kafka(it) => {
            Target::Kafka { topic: it.topic, partition: it.partition, timestamp: it.timestamp }
        }
        wit::Target::Nats(it) => Target::Nats { subject: it.subject },
        wit::Target::Http(it) => Target::Http { path: it.path, method: it.method, auth: it.auth },
        wit::Target::Other(it) => Target::Other { kind: it.kind, address: it.address },
    }
}
