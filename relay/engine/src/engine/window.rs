//! The events under way, batch by batch.

use std::collections::VecDeque;

use super::command::HeldState;
use super::plan::{BatchId, EventAt};
use crate::event::KeyId;
use crate::outcome::Failure;

/// One event of a batch and how far it has come.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: KeyId,
    pub(super) bytes: u32,
    pub(super) destination: u32,
    first_message: u32,
    messages: u32,
    /// Messages handed to the sink and not answered.
    pub(super) in_flight: u32,
    /// Attempts spent before this one.
    pub(super) attempts: u32,
    /// Times the answer was lost, and how many deliveries the lane had made at the first.
    pub(super) lost_answers: u32,
    pub(super) lost_since: u64,
    pub(super) state: State,
    /// It failed and holds its key back, while other messages of it are unanswered.
    pub(super) holds_key: bool,
    /// The worst failure of this attempt so far, or the one it came with.
    pub(super) failure: Option<Box<Failure>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for its key, for room, or for answers.
    Open,
    Delivered,
    Discarded,
    Held(HeldState),
}

impl Entry {
    pub(super) fn new(key: KeyId, bytes: u32, destination: u32, attempts: u32) -> Self {
        Self {
            key,
            bytes,
            destination,
            first_message: 0,
            messages: 0,
            in_flight: 0,
            attempts,
            lost_answers: 0,
            lost_since: 0,
            state: State::Open,
            holds_key: false,
            failure: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageState {
    Unsent,
    InFlight,
    Delivered,
}

/// Events that came in together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    pub(super) events: Vec<Entry>,
    messages: Vec<MessageState>,
    /// The event of each message.
    event_of: Vec<u32>,
}

impl Batch {
    pub(super) fn new(id: BatchId, events: usize) -> Self {
        Self {
            id,
            events: Vec::with_capacity(events),
            messages: Vec::with_capacity(events),
            event_of: Vec::with_capacity(events),
        }
    }

    pub(super) fn push(&mut self, mut entry: Entry, messages: u32) -> EventAt {
        let event = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        entry.first_message = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        entry.messages = messages;
        for _ in 0..messages {
            self.messages.push(MessageState::Unsent);
            self.event_of.push(event);
        }
        self.events.push(entry);
        EventAt { batch: self.id, event }
    }

    pub(super) fn event_of(&self, message: u32) -> Option<u32> {
        self.event_of.get(message as usize).copied()
    }

    /// Notes deliveries of an earlier attempt; `messages` count from the event's first.
    pub(super) fn mark_delivered_before(&mut self, event: u32, messages: &[u32]) {
        let Some(entry) = self.events.get(event as usize) else { return };
        for message in messages.iter().filter(|it| **it < entry.messages) {
            self.messages[(entry.first_message + message) as usize] = MessageState::Delivered;
        }
    }

    /// Puts up to `limit` unsent messages of the event in flight and appends their indexes.
    pub(super) fn launch(&mut self, event: u32, limit: u32, into: &mut Vec<u32>) -> u32 {
        let Some(entry) = self.events.get_mut(event as usize) else { return 0 };
        let mut launched = 0;
        for message in entry.first_message..entry.first_message + entry.messages {
            let state = &mut self.messages[message as usize];
            if launched < limit && *state == MessageState::Unsent {
                *state = MessageState::InFlight;
                into.push(message);
                launched += 1;
            }
        }
        entry.in_flight += launched;
        launched
    }

    /// Takes a message out of flight. Returns false when it was not in flight: a stale or repeated report.
    pub(super) fn land(&mut self, message: u32, delivered: bool) -> bool {
        match self.messages.get_mut(message as usize) {
            Some(state) if *state == MessageState::InFlight => {
                *state = if delivered { MessageState::Delivered } else { MessageState::Unsent };
                if let Some(entry) = self.event_of[message as usize..].first() {
                    self.events[*entry as usize].in_flight -= 1;
                }
                true
            }
            _ => false,
        }
    }

    /// Whether every event is done and none is left for the side table. Looks from the end, where what is not
    /// done mostly is.
    pub(super) fn is_spent(&self) -> bool {
        self.events.iter().rev().all(|entry| matches!(entry.state, State::Delivered | State::Discarded))
    }

    pub(super) fn has_unsent(&self, event: u32) -> bool {
        self.messages_of(event).any(|(_, state)| state == MessageState::Unsent)
    }

    /// Indexes of the event's delivered messages.
    pub(super) fn delivered(&self, event: u32) -> Vec<u32> {
        self.messages_of(event)
            .filter(|(_, state)| *state == MessageState::Delivered)
            .map(|(message, _)| message)
            .collect()
    }

    fn messages_of(&self, event: u32) -> impl Iterator<Item = (u32, MessageState)> {
        let range = self
            .events
            .get(event as usize)
            .map_or(0..0, |entry| entry.first_message..entry.first_message + entry.messages);
        range.map(|message| (message, self.messages[message as usize]))
    }
}

/// The batches of a lane in the order they came: those of the outbox and those of retries.
#[derive(Debug, Default)]
pub(super) struct Window {
    outbox: VecDeque<Batch>,
    retries: Vec<Batch>,
}

impl Window {
    pub(super) fn push_outbox(&mut self, batch: Batch) {
        self.outbox.push_back(batch);
    }

    pub(super) fn push_retry(&mut self, batch: Batch) {
        self.retries.push(batch);
    }

    pub(super) fn get(&self, id: BatchId) -> Option<&Batch> {
        match self.outbox.binary_search_by_key(&id, |batch| batch.id) {
            Ok(index) => self.outbox.get(index),
            Err(_) => self.retries.iter().find(|batch| batch.id == id),
        }
    }

    pub(super) fn get_mut(&mut self, id: BatchId) -> Option<&mut Batch> {
        match self.outbox.binary_search_by_key(&id, |batch| batch.id) {
            Ok(index) => self.outbox.get_mut(index),
            Err(_) => self.retries.iter_mut().find(|batch| batch.id == id),
        }
    }

    pub(super) fn entry_mut(&mut self, at: EventAt) -> Option<&mut Entry> {
        self.get_mut(at.batch)?.events.get_mut(at.event as usize)
    }

    pub(super) fn is_retry(&self, id: BatchId) -> bool {
        self.retries.iter().any(|batch| batch.id == id)
    }

    /// The batch behind `id` in outbox order, or the first.
    pub(super) fn next_outbox(&self, behind: Option<BatchId>) -> Option<&Batch> {
        let index = behind.map_or(0, |id| self.outbox.partition_point(|batch| batch.id <= id));
        self.outbox.get(index)
    }

    /// Drops outbox batches up to `through` that are passed whole; returns the events and bytes dropped.
    pub(super) fn release_through(&mut self, through: EventAt) -> (usize, u64) {
        let (mut events, mut bytes) = (0, 0);
        while let Some(front) = self.outbox.front() {
            let passed = front.id < through.batch
                || (front.id == through.batch && front.events.len() == through.event as usize + 1);
            if !passed {
                break;
            }
            events += front.events.len();
            bytes += front.events.iter().map(|entry| u64::from(entry.bytes)).sum::<u64>();
            self.outbox.pop_front();
        }
        (events, bytes)
    }

    pub(super) fn release_retry(&mut self, id: BatchId) {
        self.retries.retain(|batch| batch.id != id);
    }

    pub(super) fn has_outbox(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(super) fn has_retries(&self) -> bool {
        !self.retries.is_empty()
    }
}
