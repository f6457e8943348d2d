//! The data of batches that the engine still counts on: it keeps numbers, this keeps what they stand for.

use std::collections::BTreeMap;
use std::sync::Arc;

use relay_engine::engine::{BatchId, Plan, PlannedEvent, RetryEvent, destination};
use relay_engine::event::{Event, EventBatch, Position};
use relay_engine::message::{Message, MessageBatch};
use relay_engine::outcome::{Failure, FailureClass};

use super::chain::Rendered;
use crate::source::{ReadBatch, position_between};
use crate::store::ParkedEvent;

/// Batches by their number.
#[derive(Debug, Default)]
pub(super) struct LiveBatches(BTreeMap<BatchId, LiveBatch>);

/// Events, their messages, and where they came from.
#[derive(Debug)]
pub(super) struct LiveBatch {
    data: Data,
    /// Digests of the plugins that rendered the messages.
    pub(super) generation: Arc<[String]>,
    origin: Origin,
    /// Events whose messages were rendered in this run; the others came from the side table or failed.
    fresh: Vec<bool>,
}

#[derive(Debug)]
enum Data {
    Whole(Arc<MessageBatch>),
    /// Where each event stands in the outbox: all that settling a spent batch needs.
    Sequences(Vec<u64>),
}

#[derive(Debug)]
enum Origin {
    Outbox { within: String, end: Position },
    Retry,
}

/// What the engine is told of a batch, and what stays here until it is numbered.
pub(super) struct Planned<T> {
    pub(super) events: Vec<T>,
    pub(super) live: LiveBatch,
}

impl LiveBatches {
    pub(super) fn insert(&mut self, id: BatchId, batch: LiveBatch) {
        self.0.insert(id, batch);
    }

    pub(super) fn get(&self, id: BatchId) -> Option<&LiveBatch> {
        self.0.get(&id)
    }

    /// Gives up the events and messages of a batch that is done: it waits for its settlement with what that
    /// needs. A window of them is most of the memory of a drain.
    pub(super) fn release(&mut self, id: BatchId) {
        if let Some(batch) = self.0.get_mut(&id) {
            batch.release();
        }
    }

    /// Drops what the engine does not hold any more.
    pub(super) fn retain(&mut self, holds: impl Fn(BatchId) -> bool) {
        self.0.retain(|id, _| holds(*id));
    }
}

impl LiveBatch {
    /// Its messages, until it is spent.
    pub(super) fn messages(&self) -> Option<&Arc<MessageBatch>> {
        match &self.data {
            Data::Whole(messages) => Some(messages),
            Data::Sequences(_) => None,
        }
    }

    pub(super) fn event(&self, index: u32) -> Option<Event<'_>> {
        self.messages()?.events().get(index as usize)
    }

    /// The position behind the event at `index`; none in a batch of retries.
    pub(super) fn position_after(&self, index: u32) -> Option<Position> {
        let Origin::Outbox { within, end } = &self.origin else { return None };
        let index = index as usize;
        let (sequence, events) = match &self.data {
            Data::Whole(messages) => {
                (messages.events().get(index).map(Event::sequence), messages.events().len())
            }
            Data::Sequences(sequences) => (sequences.get(index).copied(), sequences.len()),
        };
        Some(position_between(sequence, index + 1 == events, within, end))
    }

    /// Where its events were read; nowhere in a batch of retries.
    pub(super) fn within(&self) -> Option<&str> {
        match &self.origin {
            Origin::Outbox { within, .. } => Some(within),
            Origin::Retry => None,
        }
    }

    fn release(&mut self) {
        if let Data::Whole(messages) = &self.data {
            self.data = Data::Sequences(messages.events().iter().map(Event::sequence).collect());
        }
    }

    /// The event's messages for the side table, where it has any.
    pub(super) fn rendered(&self, event: u32) -> Option<Vec<Message>> {
        let batch = self.messages()?;
        let range = batch.of_event(event as usize);
        let messages: Vec<_> = range.filter_map(|it| batch.get(it)).map(|it| it.to_message()).collect();
        (!messages.is_empty()).then_some(messages)
    }

    /// As [`LiveBatch::rendered`], for an event of a retry whose messages the side table does not hold yet.
    pub(super) fn newly_rendered(&self, event: u32) -> Option<Vec<Message>> {
        if self.fresh.get(event as usize).copied().unwrap_or_default() { self.rendered(event) } else { None }
    }

    /// Slots of the messages at `indexes`.
    pub(super) fn slots(&self, indexes: &[u32]) -> Vec<String> {
        let Some(batch) = self.messages() else { return Vec::new() };
        indexes.iter().filter_map(|it| batch.get(*it)).map(|it| it.slot().to_owned()).collect()
    }
}

/// Plans a batch of the outbox.
pub(super) fn plan_read(
    pipeline: &Arc<str>,
    read: ReadBatch,
    rendered: Vec<Rendered>,
    generation: Arc<[String]>,
    max_message: Option<usize>,
) -> Planned<PlannedEvent> {
    let fresh = vec![true; rendered.len()];
    let origin = Origin::Outbox { within: read.within, end: read.end };
    let (events, messages) = assemble(pipeline, read.events, rendered, max_message);
    Planned { events, live: LiveBatch { data: Data::Whole(messages), generation, origin, fresh } }
}

/// Plans parked events that are due; `rendered` holds what their plugins made of those without stored messages,
/// in order.
pub(super) fn plan_retry(
    pipeline: &Arc<str>,
    events: Arc<EventBatch>,
    parked: &[ParkedEvent],
    rendered: Vec<Rendered>,
    generation: Arc<[String]>,
    max_message: Option<usize>,
) -> Planned<RetryEvent> {
    let mut rendered = rendered.into_iter();
    let mut fresh = Vec::with_capacity(parked.len());
    let all = parked.iter().map(|event| {
        fresh.push(event.messages.is_none());
        match &event.messages {
            Some(messages) => Rendered::Messages(messages.clone()),
            None => {
                let anew = rendered.next().unwrap_or_else(|| Rendered::Messages(Vec::new()));
                told_apart(anew, event.rerun)
            }
        }
    });
    let (planned, messages) = assemble(pipeline, events, all.collect(), max_message);
    let retries = planned.into_iter().zip(parked).enumerate().map(|(index, (planned, event))| {
        let slots = messages.of_event(index).filter_map(|it| messages.get(it)).map(|it| it.slot());
        let delivered = (0..).zip(slots).filter(|(_, slot)| event.delivered.iter().any(|it| it == slot));
        RetryEvent {
            planned,
            attempts: event.attempts,
            delivered: delivered.map(|(index, _)| index).collect(),
        }
    });
    let events = retries.collect();
    Planned {
        events,
        live: LiveBatch { data: Data::Whole(messages), generation, origin: Origin::Retry, fresh },
    }
}

/// Gives messages of plugins that ran once more slots of their own: what they make may differ from what was sent
/// under the old idempotency keys.
fn told_apart(rendered: Rendered, rerun: Option<u64>) -> Rendered {
    match (rendered, rerun) {
        (Rendered::Messages(mut messages), Some(rerun)) => {
            messages.iter_mut().for_each(|message| message.slot.push_str(&format!("~{rerun}")));
            Rendered::Messages(messages)
        }
        (rendered, _) => rendered,
    }
}

/// The events that have to go through their plugins again.
pub(super) fn unrendered(parked: &[ParkedEvent]) -> Arc<EventBatch> {
    collect(parked.iter().filter(|event| event.messages.is_none()))
}

/// All due events as a batch.
pub(super) fn collect<'e>(parked: impl Iterator<Item = &'e ParkedEvent>) -> Arc<EventBatch> {
    let mut batch = EventBatch::default();
    for event in parked {
        // The side table gives a few megabytes at a time: far from the 4 GiB that a batch holds.
        let _ = event.event.push_into(&mut batch, event.attempts.saturating_add(1));
    }
    Arc::new(batch)
}

fn assemble(
    pipeline: &Arc<str>,
    events: Arc<EventBatch>,
    rendered: Vec<Rendered>,
    max_message: Option<usize>,
) -> (Vec<PlannedEvent>, Arc<MessageBatch>) {
    let mut messages = MessageBatch::new(Arc::clone(pipeline), Arc::clone(&events));
    let mut plans = Vec::with_capacity(rendered.len());
    for (index, rendered) in rendered.into_iter().enumerate() {
        let plan = match rendered {
            Rendered::Messages(list) if list.is_empty() => no_messages(&mut messages, Plan::Done),
            Rendered::Messages(list) => send(&mut messages, index, &list, max_message),
            Rendered::Fail(failure) => no_messages(&mut messages, Plan::Fail(failure)),
            Rendered::Halt(reason) => no_messages(&mut messages, Plan::Halt(reason)),
        };
        plans.push(plan);
    }
    let share = (events.size() + messages.size()) / events.len().max(1);
    let bytes = u32::try_from(share).unwrap_or(u32::MAX);
    let planned = events.iter().zip(plans).enumerate().map(|(index, (event, plan))| {
        let first = messages.of_event(index).next().and_then(|it| messages.get(it));
        let destination = first.map_or(0, |message| destination(message.place()));
        PlannedEvent { key: event.key_id(), bytes, destination, plan }
    });
    (planned.collect(), Arc::new(messages))
}

fn no_messages(messages: &mut MessageBatch, plan: Plan) -> Plan {
    match messages.push_event([]) {
        Ok(()) => plan,
        Err(full) => Plan::Fail(Failure::new(FailureClass::Permanent, "P165", full.to_string())),
    }
}

/// A message that its sink would refuse for its size fails before anything behind it in its key is sent.
fn send(messages: &mut MessageBatch, index: usize, list: &[Message], max_message: Option<usize>) -> Plan {
    if let Err(full) = messages.push_event(list) {
        return Plan::Fail(Failure::new(FailureClass::Permanent, "P165", full.to_string()));
    }
    let largest = messages.of_event(index).filter_map(|it| messages.get(it)).map(|it| it.size()).max();
    match (largest, max_message) {
        (Some(size), Some(max)) if size > max => {
            let detail = format!("a message of {size} bytes; the sink takes at most {max}");
            Plan::Fail(Failure::new(FailureClass::Permanent, "R406", detail))
        }
        _ => Plan::Send { messages: u32::try_from(list.len()).unwrap_or(u32::MAX) },
    }
}
