//! Gathers what the next settlement records.

use std::collections::HashMap;

use super::command::{HeldPlan, HeldState, Progress, SettlePlan};
use super::config::OnDead;
use super::keys::Keys;
use super::limits::{HeldKind, Tally};
use super::plan::{BatchId, EventAt};
use super::window::{Batch, Entry, State, Window};
use crate::clock::Time;
use crate::event::KeyId;
use crate::outcome::{Failure, FailureClass};

/// The prefix of the outbox that is done, and what waits to be recorded.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The last event passed.
    passed: Option<EventAt>,
    /// What the next settlement records.
    pub(super) pending: SettlePlan,
    /// What is being recorded now.
    under_way: Option<Recording>,
    /// When the last settlement began.
    last: Time,
    /// Events of retry batches that have no result yet.
    open_retries: HashMap<BatchId, usize>,
}

/// What decides how held events are recorded.
pub(super) struct Rules<'l> {
    pub(super) keys: &'l mut Keys,
    pub(super) tally: &'l mut Tally,
    pub(super) on_dead: OnDead,
}

/// What an event dies of that dies with its key, under [`OnDead::ParkKey`].
#[must_use]
pub fn with_its_key() -> Failure {
    Failure::new(FailureClass::Permanent, "E601", "an earlier event of its key is a dead letter")
}

/// A settlement on its way to the store, reduced to what the lane needs when it is durable.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) progress: Option<Progress>,
    pub(super) retried: Vec<EventAt>,
    /// Keys that one held event left with this settlement.
    pub(super) released: Vec<KeyId>,
    /// Whether an event may have become due with it.
    pub(super) may_be_due: bool,
    /// The earliest pause among newly parked events.
    pub(super) parked_for: Option<std::time::Duration>,
}

impl Ledger {
    pub(super) fn starting(now: Time) -> Self {
        Self { last: now, ..Self::default() }
    }

    /// Moves over events that are complete, noting held ones in outbox order, as long as there is room for those.
    pub(super) fn advance(&mut self, window: &Window, mut rules: Rules<'_>) {
        rules.tally.look_again();
        let mut behind = self.passed.map(|at| at.batch);
        if let Some(at) = self.passed
            && let Some(batch) = window.get(at.batch)
            && !self.advance_in(batch, at.event as usize + 1, &mut rules)
        {
            return;
        }
        while let Some(batch) = window.next_outbox(behind) {
            behind = Some(batch.id);
            if !self.advance_in(batch, 0, &mut rules) {
                return;
            }
        }
    }

    /// Moves on within one batch; returns whether its end was reached.
    fn advance_in(&mut self, batch: &Batch, first: usize, rules: &mut Rules<'_>) -> bool {
        for (index, entry) in batch.events.iter().enumerate().skip(first) {
            let at = EventAt { batch: batch.id, event: u32::try_from(index).unwrap_or(u32::MAX) };
            match entry.state {
                State::Open => return false,
                State::Delivered => self.pending.delivered += 1,
                State::Discarded => self.pending.discarded += 1,
                State::Held(state) => {
                    let Some((state, failure)) = rules.record(entry, state) else { return false };
                    let delivered = batch.delivered(at.event);
                    let attempts = entry.attempts;
                    self.pending.held.push(HeldPlan { at, state, attempts, failure, delivered });
                }
            }
            self.passed = Some(at);
            self.pending.progress = Some(Progress { through: at });
        }
        true
    }

    pub(super) fn expect_retries(&mut self, batch: BatchId, events: usize) {
        self.open_retries.insert(batch, events);
    }

    /// Whether something has to be recorded at once.
    pub(super) fn is_urgent(&self) -> bool {
        !self.pending.held.is_empty() || !self.pending.retried.is_empty()
    }

    pub(super) fn has_pending(&self) -> bool {
        self.pending.progress.is_some() || self.is_urgent()
    }

    /// Events that the pending settlement passes.
    pub(super) fn pending_events(&self) -> usize {
        let pending = &self.pending;
        usize::try_from(pending.delivered + pending.discarded).unwrap_or(usize::MAX) + pending.held.len()
    }

    pub(super) fn is_recording(&self) -> bool {
        self.under_way.is_some()
    }

    pub(super) fn last(&self) -> Time {
        self.last
    }

    /// Hands the pending settlement out; the next one gathers anew.
    pub(super) fn begin(&mut self, now: Time, recording: Recording) -> SettlePlan {
        self.last = now;
        self.under_way = Some(recording);
        std::mem::take(&mut self.pending)
    }

    pub(super) fn finish(&mut self) -> Option<Recording> {
        self.under_way.take()
    }

    /// Counts one recorded result of a retry batch; returns whether it was the batch's last.
    pub(super) fn retry_recorded(&mut self, batch: BatchId) -> bool {
        match self.open_retries.get_mut(&batch) {
            Some(open) if *open > 1 => {
                *open -= 1;
                false
            }
            _ => {
                self.open_retries.remove(&batch);
                true
            }
        }
    }
}

impl Rules<'_> {
    /// How an event of the window is recorded, now that it is its turn; `None` while there is no room for it.
    ///
    /// A parked event behind another held one of its key is blocked: a key has one retry at a time. Behind a dead
    /// letter of a key that is parked as a whole it is dead.
    fn record(&mut self, entry: &Entry, state: HeldState) -> Option<(HeldState, Option<Failure>)> {
        let key = entry.key;
        let own = entry.failure.as_deref().cloned();
        let counted = state != HeldState::Dead || self.on_dead != OnDead::SkipAfterDeadLetter;
        let (state, failure) = match state {
            HeldState::Parked { .. } | HeldState::Blocked
                if self.on_dead == OnDead::ParkKey && self.keys.has_dead(key) =>
            {
                (HeldState::Dead, own.or_else(|| Some(with_its_key())))
            }
            HeldState::Parked { .. } if self.keys.is_recorded(key) => (HeldState::Blocked, own),
            state => (state, own),
        };
        let kind = if state == HeldState::Dead { HeldKind::Dead } else { HeldKind::Parked };
        if !self.tally.admit(kind, u64::from(entry.bytes)) {
            return None;
        }
        if counted {
            self.keys.record(key);
            if state == HeldState::Dead {
                self.keys.note_dead(key, false);
            }
        }
        Some((state, failure))
    }
}
