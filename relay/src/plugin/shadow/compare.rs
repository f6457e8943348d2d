//! What differs between two answers to one event, by field. Values are not told: they are the events' own.

use relay_engine::message::Content;
use relay_engine::verdict::{PluginMessage, Verdict};
use serde_json::Value;

use crate::plugin::Answer;

/// Places of a body that are told of one message.
const PLACES: usize = 5;

/// What the answer `other` has otherwise than `live`, to an event with this payload; empty where they are the same.
pub(super) fn differences(payload: Option<&[u8]>, live: &Answer, other: &Answer) -> Vec<String> {
    match (live, other) {
        (Answer::Verdict(Verdict::Publish(live)), Answer::Verdict(Verdict::Publish(other))) => {
            messages(payload, live, other)
        }
        (Answer::Verdict(live), Answer::Verdict(other)) if kind(live) == kind(other) => {
            within(live, other).map(str::to_owned).into_iter().collect()
        }
        // Which fault it is counts, and not where: builds differ in their functions.
        (Answer::Fault(live), Answer::Fault(other)) if live.code == other.code => Vec::new(),
        (live, other) => vec![format!("{} → {}", words(live), words(other))],
    }
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Verdict(verdict) => kind(verdict).to_owned(),
        Answer::Fault(fault) | Answer::Failing(fault) => format!("fault {}", fault.code),
    }
}

fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Publish(_) => "publish",
        Verdict::Discard(_) => "discard",
        Verdict::Retry { .. } => "retry",
        Verdict::Reject { .. } => "reject",
        Verdict::Halt(_) => "halt",
    }
}

/// What two verdicts of the same kind, none of them messages, have otherwise.
fn within(live: &Verdict, other: &Verdict) -> Option<&'static str> {
    match (live, other) {
        (Verdict::Retry { after: live, .. }, Verdict::Retry { after: other, .. }) if live != other => {
            Some("the pause before the next try")
        }
        (Verdict::Reject { code: live, .. }, Verdict::Reject { code: other, .. }) if live != other => {
            Some("the code of the rejection")
        }
        _ => (live != other).then_some("the reason"),
    }
}

fn messages(payload: Option<&[u8]>, live: &[PluginMessage], other: &[PluginMessage]) -> Vec<String> {
    let mut found = Vec::new();
    if live.len() != other.len() {
        found.push(format!("{} → {} messages", live.len(), other.len()));
    }
    for (index, (live, other)) in live.iter().zip(other).enumerate() {
        let number = index + 1;
        found.extend(
            message(payload, live, other).into_iter().map(|what| format!("message {number}: {what}")),
        );
    }
    found
}

fn message(payload: Option<&[u8]>, live: &PluginMessage, other: &PluginMessage) -> Vec<String> {
    let mut found = Vec::new();
    let fields = [
        ("slot", live.slot != other.slot),
        ("sink", live.sink != other.sink),
        ("address", live.to != other.to),
        ("key", live.key != other.key),
        ("the event's headers", live.inherit_headers != other.inherit_headers),
    ];
    found.extend(fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()));
    found.extend(headers(&live.headers, &other.headers));
    found.extend(body(held(payload, &live.body), held(payload, &other.body)));
    found
}

fn headers(live: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)]) -> Vec<String> {
    let missing = |from: &[(String, Vec<u8>)], one: &(String, Vec<u8>)| !from.contains(one);
    let mut names: Vec<&str> = live.iter().filter(|it| missing(other, it)).map(|it| it.0.as_str()).collect();
    names.extend(other.iter().filter(|it| missing(live, it)).map(|it| it.0.as_str()));
    names.sort_unstable();
    names.dedup();
    match names.is_empty() && live != other {
        true => vec!["the order of headers".to_owned()],
        false => names.into_iter().map(|name| format!("header {name}")).collect(),
    }
}

/// What a sink would get.
fn held<'a>(payload: Option<&'a [u8]>, content: &'a Content) -> Option<&'a [u8]> {
    match content {
        Content::Unchanged => payload,
        Content::Absent => None,
        Content::Bytes(bytes) => Some(bytes),
    }
}

fn body(live: Option<&[u8]>, other: Option<&[u8]>) -> Vec<String> {
    let (Some(before), Some(after)) = (live, other) else {
        return if live == other { Vec::new() } else { vec!["body".to_owned()] };
    };
    if before == after {
        return Vec::new();
    }
    let read = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    let (Some(before), Some(after)) = (read(before), read(after)) else { return vec!["body".to_owned()] };
    let mut places = Vec::new();
    collect("", &before, &after, &mut places);
    let more = places.len().saturating_sub(PLACES);
    places.truncate(PLACES);
    match (places.as_slice(), more) {
        ([], _) => vec!["the body's way of writing the same JSON".to_owned()],
        (places, 0) => vec![format!("body at {}", places.join(", "))],
        (places, more) => vec![format!("body at {} and {more} more places", places.join(", "))],
    }
}

/// JSON Pointers of what differs, as deep as both have the same shape.
fn collect(place: &str, before: &Value, after: &Value, places: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let added = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(added) {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (before.get(name), after.get(name)) {
                    (Some(before), Some(after)) => collect(&place, before, after, places),
                    _ => places.push(place),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                collect(&format!("{place}/{index}"), before, after, places);
            }
        }
        (before, after) if before == after => {}
        _ => places.push(if place.is_empty() { "its root".to_owned() } else { place.to_owned() }),
    }
}
