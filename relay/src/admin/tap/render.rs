//! What is seen of an event, as one line of JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use relay_engine::event::OwnedEvent;
use relay_engine::message::Content;
use relay_engine::outcome::{Failure, FailureClass};
use relay_engine::verdict::{PluginMessage, Target, Verdict};
use serde_json::{Value, json};

use super::screen::{Screen, Veil};
use crate::pipeline::tap::{Seen, What, Why};
use crate::plugin::Answer;

/// The record of `seen`, without what is hidden.
pub(super) fn record(seen: &Seen, screen: &Screen) -> Value {
    let veil = &veil(seen, screen);
    let mut record = match &seen.what {
        What::Read => {
            json!({ "kind": "read", "payload": veil.document(seen.event.payload.as_deref()), "headers": headers(&seen.event, veil) })
        }
        What::Plugin { plugin, before, answer } => json!({
            "kind": "plugin",
            "plugin": plugin.name,
            "version": plugin.version,
            "digest": plugin.digest,
            "before": {
                "key": veil.text(&before.aggregate_id),
                "payload": veil.document(before.payload.as_deref()),
                "headers": headers(before, veil),
            },
            "after": answered(answer, before, veil),
        }),
        What::NotSent(why) => not_sent(why, veil),
        What::Sent { slot, address, idempotency_key, key, body, headers } => json!({
            "kind": "sent",
            "slot": veil.text(slot),
            "address": {
                "place": veil.text(&address.place),
                "partition": address.partition,
                "timestamp": address.timestamp,
                "method": address.method,
                "auth": address.auth,
            },
            "idempotency_key": veil.text(idempotency_key),
            "key": key.as_deref().map(|it| veil.content(it)),
            "body": veil.document(body.as_deref()),
            "headers": headers.iter().map(|it| veil.header(&it.name, it.value.as_deref())).collect::<Vec<_>>(),
        }),
        What::Answer { idempotency_key, failure, took } => json!({
            "kind": "answer",
            "idempotency_key": veil.text(idempotency_key),
            "outcome": failure.as_ref().map_or("delivered", |it| class(it.class)),
            "failure": failure.as_ref().map(|it| failed(it, veil)),
            "took_us": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }),
    };
    record["at"] = time(seen.at).into();
    record["pipeline"] = seen.lane.pipeline.clone().into();
    record["sink"] = seen.lane.sink.clone().into();
    record["event"] = event(seen, veil);
    record
}

/// How a count of what did not fit is shown.
pub(super) fn missed(count: u64) -> Value {
    json!({ "kind": "missed", "count": count })
}

/// Knows every hidden value that anything in the record holds.
fn veil<'r>(seen: &Seen, screen: &'r Screen) -> Veil<'r> {
    let mut veil = screen.veil();
    if !screen.hides() {
        return veil;
    }
    learn(&seen.event, &mut veil);
    match &seen.what {
        What::Plugin { before, answer, .. } => {
            learn(before, &mut veil);
            if let Answer::Verdict(Verdict::Publish(messages)) = answer {
                for message in messages {
                    if let Content::Bytes(body) = &message.body {
                        veil.secrets.learn(Some(body));
                    }
                    veil.secrets.learn_headers(pairs(&message.headers));
                }
            }
        }
        What::Sent { body, headers, .. } => {
            veil.secrets.learn(body.as_deref());
            let shown = headers.iter().filter_map(|it| Some((it.name.as_str(), it.value.as_deref()?)));
            veil.secrets.learn_headers(shown);
        }
        What::Read | What::NotSent(_) | What::Answer { .. } => {}
    }
    veil
}

fn learn(event: &OwnedEvent, veil: &mut Veil<'_>) {
    veil.secrets.learn(event.payload.as_deref());
    veil.secrets.learn_headers(pairs(&event.headers));
}

fn pairs(headers: &[(String, Vec<u8>)]) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
}

fn event(seen: &Seen, veil: &Veil<'_>) -> Value {
    let event = &seen.event;
    json!({
        "id": veil.text(&event.id),
        "sequence": event.sequence,
        "key": veil.text(&event.aggregate_id),
        "aggregate_type": veil.text(&event.aggregate_type),
        "type": veil.text(&event.event_type),
        "attempt": seen.attempt,
    })
}

fn headers(event: &OwnedEvent, veil: &Veil<'_>) -> Vec<Value> {
    pairs(&event.headers).map(|(name, value)| veil.header(name, Some(value))).collect()
}

fn answered(answer: &Answer, before: &OwnedEvent, veil: &Veil<'_>) -> Value {
    let reason = |verdict: &str, reason: &str| json!({ "verdict": verdict, "reason": veil.text(reason) });
    let fault = |verdict: &str, code: &str, detail: &str| json!({ "verdict": verdict, "code": code, "reason": veil.text(detail) });
    match answer {
        Answer::Verdict(Verdict::Publish(messages)) => {
            let messages: Vec<_> = messages.iter().map(|it| message(it, before, veil)).collect();
            json!({ "verdict": "publish", "messages": messages })
        }
        Answer::Verdict(Verdict::Discard(why)) => reason("discard", why),
        Answer::Verdict(Verdict::Retry { reason: why, .. }) => reason("retry", why),
        Answer::Verdict(Verdict::Reject { code, reason }) => fault("reject", &veil.text(code), reason),
        Answer::Verdict(Verdict::Halt(why)) => reason("halt", why),
        Answer::Fault(it) => fault("fault", it.code, &it.detail),
        Answer::Failing(it) => fault("not_asked", it.code, &it.detail),
    }
}

fn message(message: &PluginMessage, before: &OwnedEvent, veil: &Veil<'_>) -> Value {
    let payload = before.payload.as_deref();
    let key = match &message.key {
        Content::Unchanged => unchanged(Some(before.aggregate_id.as_bytes())),
        Content::Absent => Value::Null,
        Content::Bytes(bytes) => veil.content(bytes),
    };
    let body = match &message.body {
        Content::Unchanged => unchanged(payload),
        Content::Absent => Value::Null,
        Content::Bytes(bytes) => veil.document(Some(bytes)),
    };
    json!({
        "slot": message.slot.as_deref().map(|it| veil.text(it)),
        "sink": message.sink,
        "to": message.to.as_ref().map(|it| target(it, veil)),
        "key": key,
        "body": body,
        "event_headers": message.inherit_headers,
        "headers": pairs(&message.headers).map(|(name, value)| veil.header(name, Some(value))).collect::<Vec<_>>(),
    })
}

/// What the plugin left as it was stands in `before`.
fn unchanged(bytes: Option<&[u8]>) -> Value {
    json!({ "unchanged": true, "bytes": bytes.map(<[u8]>::len) })
}

fn target(target: &Target, veil: &Veil<'_>) -> Value {
    match target {
        Target::Kafka { topic, partition, timestamp } => {
            json!({ "kafka": veil.text(topic), "partition": partition, "timestamp": timestamp })
        }
        Target::Nats { subject } => json!({ "nats": veil.text(subject) }),
        Target::Http { path, method, auth } => {
            json!({ "http": veil.text(path), "method": method, "auth": auth })
        }
        Target::Other { kind, address } => json!({ kind.as_str(): veil.text(address) }),
    }
}

fn not_sent(why: &Why, veil: &Veil<'_>) -> Value {
    let (outcome, failure) = match why {
        Why::Nothing => ("nothing_for_this_sink", None),
        Why::Failed(failure) => (class(failure.class), Some(failed(failure, veil))),
        Why::Halted(reason) => ("halted", Some(json!({ "code": "P162", "detail": veil.text(reason) }))),
    };
    json!({ "kind": "not_sent", "outcome": outcome, "failure": failure })
}

fn failed(failure: &Failure, veil: &Veil<'_>) -> Value {
    json!({ "code": failure.code, "detail": veil.text(&failure.detail) })
}

fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Retryable => "retryable",
        FailureClass::Permanent => "permanent",
        FailureClass::Unavailable => "unavailable",
        FailureClass::Unknown => "unknown",
    }
}

fn time(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = i64::try_from(since.as_micros()).ok().and_then(|it| jiff::Timestamp::from_microsecond(it).ok());
    at.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
