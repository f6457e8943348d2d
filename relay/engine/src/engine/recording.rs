//! When the lane settles, and what changes once a settlement is durable.

use super::command::{Command, RetryResult};
use super::lane::{Intake, Lane};
use super::settlement::{Recording, Rules};
use crate::clock::Time;

impl Lane {
    /// Notes that the settlement handed out last is durable.
    pub fn settled(&mut self, now: Time) {
        let Some(recording) = self.ledger.finish() else { return };
        if let Some(progress) = recording.progress {
            let (events, bytes) = self.window.release_through(progress.through);
            self.unsettled_events -= events;
            self.unsettled_bytes -= bytes;
        }
        for at in recording.retried {
            if self.ledger.retry_recorded(at.batch) {
                self.window.release_retry(at.batch);
            }
        }
        for key in recording.released {
            self.keys.release(key);
        }
        let parked = recording.parked_for.map(|pause| now + pause);
        let due = if recording.may_be_due { Some(now) } else { parked };
        self.fetch_at = [self.fetch_at, due].into_iter().flatten().min();
    }

    pub(super) fn settle(&mut self, now: Time) -> Option<Command> {
        if self.ledger.is_recording() {
            return None;
        }
        let rules = Rules { keys: &mut self.keys, tally: &mut self.tally, on_dead: self.config.on_dead };
        self.ledger.advance(&self.window, rules);
        // Reading must not stop for want of a settlement.
        let half_full = self.ledger.pending_events() * 2 >= self.config.window_events
            || self.unsettled_bytes >= self.config.window_bytes;
        let waits_for_it = self.intake != Intake::Open || self.halting.is_some() || half_full;
        let due = now >= self.ledger.last() + self.config.settle_every;
        if !self.ledger.has_pending() || !(self.ledger.is_urgent() || waits_for_it || due) {
            return None;
        }
        let recording = self.recording();
        Some(Command::Settle(self.ledger.begin(now, recording)))
    }

    fn recording(&self) -> Recording {
        use super::command::HeldState::{Blocked, Dead, Parked};
        let pending = &self.ledger.pending;
        let mut recording = Recording {
            progress: pending.progress,
            retried: pending.retried.iter().map(|retried| retried.at).collect(),
            released: Vec::new(),
            may_be_due: pending.held.iter().any(|held| held.state == Blocked),
            parked_for: None,
        };
        let mut parked = |state| {
            if let Parked { after } = state {
                recording.parked_for = Some(recording.parked_for.map_or(after, |it| it.min(after)));
            }
        };
        pending.held.iter().for_each(|held| parked(held.state));
        for retried in &pending.retried {
            let leaves = match &retried.result {
                RetryResult::Done => true,
                RetryResult::Held { state, .. } => {
                    parked(*state);
                    *state == Dead && self.skips_dead()
                }
            };
            let entry =
                self.window.get(retried.at.batch).and_then(|it| it.events.get(retried.at.event as usize));
            if let Some(entry) = entry.filter(|_| leaves) {
                recording.released.push(entry.key);
                recording.may_be_due = true;
            }
        }
        recording
    }
}
