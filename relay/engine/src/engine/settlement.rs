//! Gathers what the next settlement records.

use std::collections::HashMap;

use super::command::{HeldPlan, HeldState, Progress, SettlePlan};
use super::plan::{BatchId, EventAt};
use super::window::{Batch, State, Window};
use crate::clock::Time;
use crate::event::KeyId;

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
    /// Held events per key that are recorded, or will be with `pending`.
    recorded: HashMap<KeyId, u64>,
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
    pub(super) fn starting_with(recorded: HashMap<KeyId, u64>, now: Time) -> Self {
        Self { recorded, last: now, ..Self::default() }
    }

    /// Moves over events that are complete, noting held ones in outbox order.
    pub(super) fn advance(&mut self, window: &Window, skip_dead: bool) {
        let mut behind = self.passed.map(|at| at.batch);
        if let Some(at) = self.passed
            && let Some(batch) = window.get(at.batch)
            && !self.advance_in(batch, at.event as usize + 1, skip_dead)
        {
            return;
        }
        while let Some(batch) = window.next_outbox(behind) {
            behind = Some(batch.id);
            if !self.advance_in(batch, 0, skip_dead) {
                return;
            }
        }
    }

    /// Moves on within one batch; returns whether its end was reached.
    fn advance_in(&mut self, batch: &Batch, first: usize, skip_dead: bool) -> bool {
        for (index, entry) in batch.events.iter().enumerate().skip(first) {
            let at = EventAt { batch: batch.id, event: u32::try_from(index).unwrap_or(u32::MAX) };
            match entry.state {
                State::Open => return false,
                State::Delivered => self.pending.delivered += 1,
                State::Discarded => self.pending.discarded += 1,
                State::Held(state) => {
                    let state = self.behind_recorded(entry.key, state, skip_dead);
                    self.pending.held.push(HeldPlan {
                        at,
                        state,
                        attempts: entry.attempts,
                        failure: entry.failure.as_deref().cloned(),
                        delivered: batch.delivered(at.event),
                    });
                }
            }
            self.passed = Some(at);
            self.pending.progress = Some(Progress { through: at });
        }
        true
    }

    /// A parked event behind another held one of its key is blocked: a key has one retry at a time.
    fn behind_recorded(&mut self, key: KeyId, state: HeldState, skip_dead: bool) -> HeldState {
        if skip_dead && state == HeldState::Dead {
            return state;
        }
        let recorded = self.recorded.entry(key).or_default();
        *recorded += 1;
        match state {
            HeldState::Parked { .. } if *recorded > 1 => HeldState::Blocked,
            state => state,
        }
    }

    pub(super) fn record_again(&mut self, key: KeyId) {
        *self.recorded.entry(key).or_default() += 1;
    }

    pub(super) fn forget(&mut self, key: KeyId) {
        if let Some(recorded) = self.recorded.get_mut(&key) {
            *recorded = recorded.saturating_sub(1);
            if *recorded == 0 {
                self.recorded.remove(&key);
            }
        }
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
