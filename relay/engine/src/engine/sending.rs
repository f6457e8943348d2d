//! What may be sent now, and what the answers mean.

use std::time::Duration;

use super::backoff::{Jitter, RetryPolicy};
use super::command::{Command, HeldState, RetriedPlan, RetryResult};
use super::config::OnDead;
use super::lane::Lane;
use super::plan::{BatchId, EventAt};
use super::window::State;
use crate::clock::Time;
use crate::event::KeyId;
use crate::outcome::{Failure, FailureClass};

/// Answers of one event that may be lost while others arrive, before the event itself is at fault: the receiver
/// then dies of it or takes too long for it.
const LOST_ANSWERS: u32 = 3;

/// Messages that one command hands over: the shell gets to its other work between two.
const SEND_CHUNK: usize = 2_048;

impl Lane {
    /// Notes that the receiver acknowledged these messages.
    pub fn delivered(&mut self, batch: BatchId, messages: &[u32]) {
        for message in messages {
            let Some(at) = self.land(batch, *message, true) else { continue };
            self.deliveries += 1;
            if self.circuit.answered(true) {
                self.watch.forget_answers();
            }
            if let Some(destination) = self.first_attempt(at) {
                self.watch.answered(destination, false);
                self.furthest = self.furthest.max(Some(at));
            }
            self.answered(at);
        }
    }

    /// Notes that a message failed.
    pub fn failed(&mut self, now: Time, batch: BatchId, message: u32, failure: Failure) {
        let Some(at) = self.land(batch, message, false) else { return };
        match failure.class {
            FailureClass::Unavailable => self.circuit.fail(now, failure, &mut self.jitter),
            FailureClass::Unknown => {
                self.unknown += 1;
                self.lost_answer(at, &failure);
                self.circuit.fail(now, failure, &mut self.jitter);
            }
            FailureClass::Retryable | FailureClass::Permanent => {
                self.circuit.answered(false);
                if self.is_stormy(now, at, &failure) {
                    self.forgive(at);
                    self.circuit.fail(now, failure, &mut self.jitter);
                } else {
                    self.note_failure(at, failure);
                }
            }
        }
        self.answered(at);
    }

    fn land(&mut self, batch: BatchId, message: u32, delivered: bool) -> Option<EventAt> {
        let found = self.window.get_mut(batch)?;
        if !found.land(message, delivered) {
            return None;
        }
        self.in_flight -= 1;
        Some(EventAt { batch, event: found.event_of(message)? })
    }

    /// Notes a failure of the event's own. While other messages of it are unanswered its key is held already:
    /// nothing behind it may be sent from here on.
    fn note_failure(&mut self, at: EventAt, failure: Failure) {
        let is_retry = self.window.is_retry(at.batch);
        let Some(entry) = self.window.entry_mut(at) else { return };
        let worse = entry.failure.take().filter(|it| it.class == FailureClass::Permanent);
        entry.failure = worse.or_else(|| Some(Box::new(failure)));
        if entry.in_flight > 0 && !is_retry && !entry.holds_key {
            entry.holds_key = true;
            let key = entry.key;
            self.keys.hold(key);
        }
    }

    /// Counts lost answers of one event. Where the sink keeps prefixes they say nothing of the event: all that
    /// was in flight loses its answers together.
    fn lost_answer(&mut self, at: EventAt, failure: &Failure) {
        if self.config.ordered_prefix {
            return;
        }
        let deliveries = self.deliveries;
        let Some(entry) = self.window.entry_mut(at) else { return };
        if entry.lost_answers == 0 {
            entry.lost_since = deliveries;
        }
        entry.lost_answers += 1;
        if entry.lost_answers >= LOST_ANSWERS && deliveries > entry.lost_since {
            let failure = Failure { class: FailureClass::Retryable, ..failure.clone() };
            entry.failure = Some(Box::new(failure));
        }
    }

    /// Goes on with an event once nothing of it is in flight.
    fn answered(&mut self, at: EventAt) {
        let Some(batch) = self.window.get(at.batch) else { return };
        let Some(entry) = batch.events.get(at.event as usize) else { return };
        if entry.in_flight > 0 {
            return;
        }
        let key = entry.key;
        if entry.failure.is_some() {
            self.fail_event(at);
        } else if batch.has_unsent(at.event) {
            self.ready_unsorted |= self.ready.back().is_some();
            self.ready.push_front(at);
        } else {
            self.complete(at, State::Delivered);
            self.pass_key_on(key);
        }
    }

    pub(super) fn admit(&mut self, now: Time, id: BatchId, done: &[EventAt]) {
        self.watch_plans(now, id);
        let events = self.window.get(id).map_or(0, |batch| batch.events.len());
        let mut done = done.iter().peekable();
        for event in 0..u32::try_from(events).unwrap_or(u32::MAX) {
            let at = EventAt { batch: id, event };
            if done.next_if(|it| **it == at).is_some() {
                continue;
            }
            let Some(key) = self.window.entry_mut(at).map(|entry| entry.key) else { continue };
            if self.keys.is_held(key) {
                self.block(at, key);
            } else if self.config.ordered_prefix || self.keys.claim(key, at) {
                self.ready.push_back(at);
            }
        }
    }

    /// Retries come ahead of the outbox: their keys wait for them.
    pub(super) fn admit_retry(&mut self, id: BatchId, done: &[EventAt]) {
        let events = self.window.get(id).map_or(0, |batch| batch.events.len());
        for event in 0..u32::try_from(events).unwrap_or(u32::MAX) {
            let at = EventAt { batch: id, event };
            if done.contains(&at) {
                self.complete(at, State::Discarded);
                continue;
            }
            let Some(key) = self.window.entry_mut(at).map(|entry| entry.key) else { continue };
            if self.config.ordered_prefix || self.keys.claim(key, at) {
                self.ready.push_back(at);
            }
        }
    }

    /// Hands the next ready messages to the sink.
    pub(super) fn dispatch(&mut self) -> Option<Command> {
        if !self.circuit.is_closed() {
            return None;
        }
        self.sort_ready()?;
        let mut messages = Vec::new();
        let mut batch = None;
        while messages.len() < SEND_CHUNK && self.in_flight < self.config.in_flight {
            let Some((index, at)) = self.next_ready() else { break };
            if batch.is_some_and(|it| it != at.batch) {
                break;
            }
            self.ready.remove(index);
            if self.settle_without_sending(at) {
                continue;
            }
            batch = Some(at.batch);
            let limit = if self.config.ordered_prefix { u32::MAX } else { 1 };
            self.launch(at, limit, &mut messages);
        }
        batch.filter(|_| !messages.is_empty()).map(|batch| Command::Send { batch, messages })
    }

    /// The next event to send. Once the lane stops, only one that stands before something acknowledged: without it
    /// that could not be settled and would be sent again.
    fn next_ready(&self) -> Option<(usize, EventAt)> {
        let sends = |at: &EventAt| {
            self.may_send() || self.furthest.is_some_and(|it| *at <= it) && !self.window.is_retry(at.batch)
        };
        self.ready.iter().copied().enumerate().find(|(_, at)| sends(at))
    }

    /// Restores outbox order after an outage. Where order rests on the order of sending, that has to wait until
    /// nothing sent earlier can still arrive.
    pub(super) fn sort_ready(&mut self) -> Option<()> {
        if self.ready_unsorted {
            if self.config.ordered_prefix && self.in_flight > 0 {
                return None;
            }
            self.ready.make_contiguous().sort_unstable();
            self.ready_unsorted = false;
        }
        Some(())
    }

    pub(super) fn launch(&mut self, at: EventAt, limit: u32, messages: &mut Vec<u32>) {
        if let Some(batch) = self.window.get_mut(at.batch) {
            self.in_flight += batch.launch(at.event, limit, messages) as usize;
        }
    }

    /// Deals with an event that must not be sent (any more): its key is held, it failed before it had messages,
    /// or it was delivered before.
    fn settle_without_sending(&mut self, at: EventAt) -> bool {
        let is_retry = self.window.is_retry(at.batch);
        let Some(batch) = self.window.get(at.batch) else { return true };
        let Some(entry) = batch.events.get(at.event as usize) else { return true };
        let key = entry.key;
        if !is_retry && self.keys.is_held(key) {
            self.block(at, key);
            self.pass_key_on(key);
        } else if entry.failure.is_some() {
            self.fail_event(at);
        } else if !batch.has_unsent(at.event) {
            self.complete(at, State::Delivered);
            self.pass_key_on(key);
        } else {
            return false;
        }
        true
    }

    /// Ends an attempt that failed by the event's own fault.
    fn fail_event(&mut self, at: EventAt) {
        let is_retry = self.window.is_retry(at.batch);
        let Some(batch) = self.window.get_mut(at.batch) else { return };
        let delivered = batch.delivered(at.event);
        let Some(entry) = batch.events.get_mut(at.event as usize) else { return };
        let Some(failure) = entry.failure.as_deref().cloned() else { return };
        entry.attempts = entry.attempts.saturating_add(1);
        let mut state = verdict(&self.config.retry, entry.attempts, &failure, &mut self.jitter);
        let (key, attempts, bytes) = (entry.key, entry.attempts, u64::from(entry.bytes));
        let holds_key = std::mem::take(&mut entry.holds_key);
        if is_retry && state == HeldState::Dead {
            state = self.bury(key, bytes);
        }
        if let Some(entry) = self.window.entry_mut(at) {
            entry.state = State::Held(state);
        }
        if is_retry {
            let result = RetryResult::Held { state, attempts, failure, delivered };
            self.ledger.pending.retried.push(RetriedPlan { at, result });
            self.pass_key_on(key);
        } else if state == HeldState::Dead && self.skips_dead() {
            if holds_key {
                self.keys.let_go(key);
            }
            self.pass_key_on(key);
        } else {
            if !holds_key {
                self.keys.hold(key);
            }
            self.hold_back_waiting(key);
        }
    }

    /// Makes a dead letter of a parked event, and of what waits behind it where its key is parked as a whole.
    /// Without room for them it stays parked, for the longest pause.
    fn bury(&mut self, key: KeyId, bytes: u64) -> HeldState {
        let parks_key = self.config.on_dead == OnDead::ParkKey;
        let with = if parks_key { self.keys.waiting(key).saturating_sub(1) } else { 0 };
        if !self.tally.has_room_for_dead() {
            return HeldState::Parked { after: self.config.retry.max };
        }
        self.tally.die(bytes, with);
        if !self.skips_dead() {
            self.keys.note_dead(key, parks_key);
        }
        HeldState::Dead
    }

    /// Blocks what waits behind an event that is held now; retries in the queue keep their turn.
    fn hold_back_waiting(&mut self, key: KeyId) {
        for at in self.keys.take_waiting(key) {
            if !self.window.is_retry(at.batch) {
                self.block(at, key);
            } else if self.keys.claim(key, at) {
                self.ready.push_back(at);
            }
        }
    }

    fn block(&mut self, at: EventAt, key: KeyId) {
        if let Some(entry) = self.window.entry_mut(at) {
            entry.state = State::Held(HeldState::Blocked);
            self.keys.hold(key);
        }
    }

    fn complete(&mut self, at: EventAt, state: State) {
        if let Some(entry) = self.window.entry_mut(at) {
            entry.state = state;
        }
        if self.window.is_retry(at.batch) {
            let bytes = self.window.entry_mut(at).map_or(0, |entry| entry.bytes);
            self.tally.leave(u64::from(bytes));
            self.ledger.pending.retried.push(RetriedPlan { at, result: RetryResult::Done });
            match state {
                State::Delivered => self.ledger.pending.delivered += 1,
                State::Discarded => self.ledger.pending.discarded += 1,
                State::Open | State::Held(_) => {}
            }
        }
    }

    fn pass_key_on(&mut self, key: KeyId) {
        if !self.config.ordered_prefix
            && let Some(next) = self.keys.pass_on(key)
        {
            self.ready.push_back(next);
        }
    }
}

/// What a failure of the event's own makes of it.
fn verdict(policy: &RetryPolicy, attempts: u32, failure: &Failure, jitter: &mut Jitter) -> HeldState {
    match failure.class {
        FailureClass::Permanent => HeldState::Dead,
        FailureClass::Retryable | FailureClass::Unavailable | FailureClass::Unknown => {
            if attempts >= policy.attempts {
                HeldState::Dead
            } else {
                let pause = policy.pause(attempts, failure.retry_after, jitter);
                let within = failure.retry_within.filter(|_| attempts <= 1).unwrap_or(Duration::MAX);
                HeldState::Parked { after: pause.min(within) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_soon_mended_is_tried_again_soon_and_once() {
        let policy =
            RetryPolicy { first: Duration::from_millis(200), max: Duration::from_secs(300), attempts: 12 };
        let soon = Duration::from_millis(20);
        let failure =
            Failure { retry_within: Some(soon), ..Failure::new(FailureClass::Retryable, "P120", "a trap") };
        let mut jitter = Jitter::new(7);
        let mut pause = |attempts| match verdict(&policy, attempts, &failure, &mut jitter) {
            HeldState::Parked { after } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(1), soon);
        assert!(pause(2) > soon);
        assert_eq!(verdict(&policy, policy.attempts, &failure, &mut jitter), HeldState::Dead);
    }
}
