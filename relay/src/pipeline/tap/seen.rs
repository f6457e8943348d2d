//! What is seen of an event, as a copy of its own.

use std::time::{Duration, SystemTime};

use relay_engine::event::{Event, OwnedEvent};
use relay_engine::message::{Address, MessageRef};
use relay_engine::outcome::Failure;

use crate::plugin::{Answer, Identity};
use crate::sink::{SentHeader, Sink};
use crate::store::LaneId;

/// What a copy takes beside the bytes it holds: its names and places.
const OVERHEAD: usize = 512;

/// One thing that happened to one event in one lane.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: SystemTime,
    /// Where.
    pub lane: LaneId,
    /// The event as it was read from the outbox; payload, headers and attributes only where they were asked for, or
    /// [`What::Read`] shows them.
    pub event: OwnedEvent,
    /// The how manyth attempt at the event this belongs to, 1 for the first.
    pub attempt: u32,
    /// What happened.
    pub what: What,
}

/// What happened to an event.
#[derive(Debug, Clone)]
pub enum What {
    /// It came out of the outbox.
    Read,
    /// A plugin ran.
    Plugin {
        /// Which build.
        plugin: Identity,
        /// The event as the plugin saw it.
        before: Box<OwnedEvent>,
        /// What it made of it.
        answer: Answer,
    },
    /// It ended before it had a message for this sink.
    NotSent(Why),
    /// A message was handed to the sink.
    Sent {
        /// Names the message among those of its event.
        slot: String,
        /// Where it goes.
        address: Address,
        /// The same on every attempt.
        idempotency_key: String,
        /// The key's bytes.
        key: Option<Vec<u8>>,
        /// The body as the receiver gets it.
        body: Option<Vec<u8>>,
        /// Its headers, those that the sink adds included.
        headers: Vec<SentHeader>,
    },
    /// The sink's answer.
    Answer {
        /// Of the message it is about.
        idempotency_key: String,
        /// `None`: delivered.
        failure: Option<Failure>,
        /// From when the message was handed to the sink.
        took: Duration,
    },
}

/// Why an event has no message for a sink.
#[derive(Debug, Clone)]
pub enum Why {
    /// It was discarded, or is for other sinks.
    Nothing,
    /// It failed in a plugin or in routing.
    Failed(Failure),
    /// A plugin stopped the lane before it.
    Halted(String),
}

impl Seen {
    pub(super) fn new(lane: &LaneId, event: Event<'_>, whole: bool, what: What) -> Self {
        let attempt = event.attempt();
        let event = if whole { OwnedEvent::from(event) } else { named(event) };
        Self { at: SystemTime::now(), lane: lane.clone(), event, attempt, what }
    }

    /// Bytes that it holds, roughly: what a queue counts.
    pub(super) fn size(&self) -> usize {
        let held = match &self.what {
            What::Read | What::NotSent(_) | What::Answer { .. } => 0,
            What::Plugin { before, answer, .. } => size_of_event(before) + size_of_answer(answer),
            What::Sent { key, body, headers, .. } => {
                let headers = headers.iter().map(|it| it.name.len() + it.value.as_ref().map_or(0, Vec::len));
                length(key.as_ref()) + length(body.as_ref()) + headers.sum::<usize>()
            }
        };
        OVERHEAD + size_of_event(&self.event) + held
    }
}

impl What {
    pub(super) fn sent(message: MessageRef<'_>, sink: &dyn Sink) -> Self {
        Self::Sent {
            slot: message.slot().to_owned(),
            address: Address {
                place: message.place().to_owned(),
                partition: message.partition(),
                timestamp: message.timestamp(),
                method: message.method().map(str::to_owned),
                auth: message.auth().map(str::to_owned),
            },
            idempotency_key: idempotency_key(message),
            key: message.key().map(<[u8]>::to_vec),
            body: message.body().map(<[u8]>::to_vec),
            headers: sink.sent_headers(message),
        }
    }
}

/// An event without what it holds.
fn named(event: Event<'_>) -> OwnedEvent {
    OwnedEvent {
        id: event.id().to_owned(),
        sequence: event.sequence(),
        aggregate_type: event.aggregate_type().to_owned(),
        aggregate_id: event.aggregate_id().to_owned(),
        event_type: event.event_type().to_owned(),
        occurred_at: event.occurred_at(),
        ..OwnedEvent::default()
    }
}

pub(super) fn idempotency_key(message: MessageRef<'_>) -> String {
    let mut key = String::new();
    message.write_idempotency_key(&mut key);
    key
}

fn size_of_event(event: &OwnedEvent) -> usize {
    length(event.payload.as_ref()) + size_of_headers(&event.headers)
}

fn size_of_answer(answer: &Answer) -> usize {
    use relay_engine::verdict::Verdict;
    let Answer::Verdict(Verdict::Publish(messages)) = answer else { return 0 };
    let content = |it: &relay_engine::message::Content| match it {
        relay_engine::message::Content::Bytes(bytes) => bytes.len(),
        relay_engine::message::Content::Unchanged | relay_engine::message::Content::Absent => 0,
    };
    let size = |it: &relay_engine::verdict::PluginMessage| {
        content(&it.key) + content(&it.body) + size_of_headers(&it.headers)
    };
    messages.iter().map(|it| OVERHEAD + size(it)).sum()
}

fn size_of_headers(headers: &[(String, Vec<u8>)]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn length(bytes: Option<&Vec<u8>>) -> usize {
    bytes.map_or(0, Vec::len)
}
