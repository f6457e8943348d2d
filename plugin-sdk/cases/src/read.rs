//! From the text of a file to its cases.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use crate::{Case, Content, EventRow, ExpectedMessage, Outcome, Place, Suite, bytes};

/// 21 November 2026, noon UTC: when events were written whose file does not say.
const NOON: u64 = 1_795_262_400_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    pipeline: Option<String>,
    #[serde(default)]
    config: toml::Table,
    #[serde(default)]
    lookup: BTreeMap<String, toml::Table>,
    #[serde(default)]
    case: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    event: RawEvent,
    now: Option<u64>,
    message: Option<Vec<RawMessage>>,
    discard: Option<String>,
    retry: Option<RawRetry>,
    reject: Option<RawReject>,
    halt: Option<String>,
    fault: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    id: Option<String>,
    source: Option<String>,
    sequence: Option<u64>,
    aggregate_type: String,
    aggregate_id: String,
    r#type: String,
    content_type: Option<String>,
    payload: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    occurred_at: Option<u64>,
    attempt: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetry {
    reason: String,
    after_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReject {
    code: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOther {
    kind: String,
    address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMessage {
    kafka: Option<String>,
    partition: Option<i32>,
    timestamp: Option<u64>,
    nats: Option<String>,
    http: Option<String>,
    method: Option<String>,
    auth: Option<String>,
    other: Option<RawOther>,
    slot: Option<String>,
    sink: Option<String>,
    key: Option<Value>,
    body: Option<Value>,
    event_headers: Option<bool>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
}

pub(crate) fn suite(file: &str, text: &str) -> Result<Suite, String> {
    let read: File = toml::from_str(text).map_err(|error| format!("\n{error}"))?;
    if read.pipeline.is_some() && !read.config.is_empty() {
        return Err(
            "has a pipeline and a config; the plugins of a pipeline are configured where it is".to_owned()
        );
    }
    let config = serde_json::to_value(&read.config).map_err(|error| format!("config: {error}"))?;
    let mut lookups = BTreeMap::new();
    for (name, rows) in &read.lookup {
        let json = |(key, value): (&String, &Value)| serde_json::to_value(value).map(|it| (key.clone(), it));
        let rows = rows.iter().map(json).collect::<Result<_, _>>();
        lookups.insert(name.clone(), rows.map_err(|error| format!("lookup.{name}: {error}"))?);
    }
    let mut cases: Vec<Case> = Vec::new();
    for (index, raw) in read.case.into_iter().enumerate() {
        let name = raw.name.clone();
        if cases.iter().any(|it| it.name == name) {
            return Err(format!("two cases are called {name:?}; give each a name of its own"));
        }
        cases.push(case(index, raw).map_err(|what| format!("case {name:?}: {what}"))?);
    }
    Ok(Suite { file: file.to_owned(), pipeline: read.pipeline, config, lookups, cases })
}

fn case(index: usize, mut raw: RawCase) -> Result<Case, String> {
    let expected = outcome(&mut raw)?;
    let event = event(index as u64 + 1, raw.event)?;
    let now = raw.now.unwrap_or(event.occurred_at);
    let expected = expected.map(|it| it.normal(&event));
    Ok(Case { name: raw.name, event, now, expected })
}

fn event(number: u64, raw: RawEvent) -> Result<EventRow, String> {
    let payload =
        raw.payload.as_ref().map(|it| bytes::read(it).map_err(|what| format!("event.payload {what}")));
    Ok(EventRow {
        id: raw.id.unwrap_or_else(|| format!("case-{number}")),
        source: raw.source.unwrap_or_else(|| "shop".to_owned()),
        sequence: raw.sequence.unwrap_or(number),
        aggregate_type: raw.aggregate_type,
        aggregate_id: raw.aggregate_id,
        event_type: raw.r#type,
        content_type: raw.content_type,
        payload: payload.transpose()?.flatten(),
        headers: headers(&raw.headers).map_err(|what| format!("event.{what}"))?,
        attributes: raw.attributes.into_iter().collect(),
        occurred_at: raw.occurred_at.unwrap_or(NOON),
        attempt: raw.attempt.unwrap_or(1),
    })
}

/// A name with a list of values stands for several headers of that name.
fn headers(raw: &BTreeMap<String, Value>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut all = Vec::new();
    for (name, value) in raw {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            let bytes = bytes::read(value).map_err(|what| format!("headers.{name} {what}"))?;
            all.push((
                name.clone(),
                bytes.ok_or_else(|| format!("headers.{name} is null; a header has a value"))?,
            ));
        }
    }
    Ok(all)
}

fn outcome(raw: &mut RawCase) -> Result<Option<Outcome>, String> {
    let messages = raw.message.take().map(messages).transpose()?;
    let all = [
        messages.map(Outcome::Messages),
        raw.discard.take().map(Outcome::Discard),
        raw.retry.take().map(|it| Outcome::Retry { reason: it.reason, after_ms: it.after_ms }),
        raw.reject.take().map(|it| Outcome::Reject { code: it.code, reason: it.reason }),
        raw.halt.take().map(Outcome::Halt),
        raw.fault.take().map(Outcome::Fault),
    ];
    let mut given = all.into_iter().flatten();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err("has several outcomes; an event has one of message, discard, retry, reject, \
                             halt and fault"
            .to_owned()),
        (one, None) => Ok(one),
    }
}

fn messages(raw: Vec<RawMessage>) -> Result<Vec<ExpectedMessage>, String> {
    let each = |(index, raw)| message(raw).map_err(|what| format!("message {index}: {what}"));
    raw.into_iter().enumerate().map(each).collect()
}

fn message(raw: RawMessage) -> Result<ExpectedMessage, String> {
    let content = |name: &str, value: &Option<Value>| match value {
        None => Ok(Content::Unchanged),
        Some(value) => bytes::read(value)
            .map(|bytes| bytes.map_or(Content::Absent, Content::Bytes))
            .map_err(|what| format!("{name} {what}")),
    };
    let (key, body) = (content("key", &raw.key)?, content("body", &raw.body)?);
    let headers = headers(&raw.headers)?;
    let (slot, sink, event_headers) = (raw.slot.clone(), raw.sink.clone(), raw.event_headers.unwrap_or(true));
    Ok(ExpectedMessage { slot, sink, to: place(raw)?, key, body, event_headers, headers })
}

fn place(raw: RawMessage) -> Result<Place, String> {
    let (partition, timestamp) = (raw.partition, raw.timestamp);
    let (method, auth) = (raw.method, raw.auth);
    let of_kafka = partition.is_some() || timestamp.is_some();
    let of_http = method.is_some() || auth.is_some();
    let all = [
        raw.kafka.map(|topic| Place::Kafka { topic, partition, timestamp }),
        raw.nats.map(Place::Nats),
        raw.http.map(|path| Place::Http { path, method, auth }),
        raw.other.map(|it| Place::Other { kind: it.kind, address: it.address }),
    ];
    let mut given = all.into_iter().flatten();
    let place = given.next().unwrap_or(Place::Next);
    if given.next().is_some() {
        return Err(
            "has several targets; a message has one of kafka, nats, http and other, or none".to_owned()
        );
    }
    if of_kafka && !matches!(place, Place::Kafka { .. }) {
        return Err("partition and timestamp are for kafka".to_owned());
    }
    if of_http && !matches!(place, Place::Http { .. }) {
        return Err("method and auth are for http".to_owned());
    }
    Ok(place)
}
