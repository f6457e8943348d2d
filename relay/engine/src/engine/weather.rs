//! Outages and storms: when they begin, what a failure in them means, and how their end is found out.

use std::collections::HashSet;

use super::circuit::Cause;
use super::command::Command;
use super::lane::Lane;
use super::plan::{BatchId, EventAt};
use crate::clock::Time;
use crate::outcome::Failure;

impl Lane {
    /// The destination of an event of the outbox; none of a retry, whose failures say nothing new.
    pub(super) fn first_attempt(&mut self, at: EventAt) -> Option<u32> {
        if self.window.is_retry(at.batch) { None } else { Some(self.window.entry_mut(at)?.destination) }
    }

    /// Whether a storm lasts, or begins with this failure.
    pub(super) fn is_stormy(&mut self, now: Time, at: EventAt, failure: &Failure) -> bool {
        if !self.circuit.is_storm()
            && let Some(destination) = self.first_attempt(at)
            && self.watch.answered(destination, true)
        {
            self.circuit.open(now, Cause::Receiver, failure.clone(), Some(destination), &mut self.jitter);
        }
        self.circuit.is_storm()
    }

    /// In a storm a failure is not the event's: it keeps its turn.
    pub(super) fn forgive(&mut self, at: EventAt) {
        let Some(entry) = self.window.entry_mut(at) else { return };
        entry.failure = None;
        let (key, held) = (entry.key, std::mem::take(&mut entry.holds_key));
        if held {
            self.keys.let_go(key);
        }
    }

    /// Looks for a storm in what plugins and routes made of a batch, before any of it is recorded.
    pub(super) fn watch_plans(&mut self, now: Time, id: BatchId) {
        let Some(batch) = self.window.get(id) else { return };
        for entry in &batch.events {
            if self.watch.planned(entry.failure.is_some())
                && let Some(failure) = entry.failure.as_deref().cloned()
            {
                self.circuit.open(now, Cause::Plugin, failure, None, &mut self.jitter);
            }
        }
    }

    /// Sends one message to find out whether the outage or storm is over.
    pub(super) fn probe(&mut self, now: Time) -> Option<Command> {
        let outage = self.circuit.to_probe()?;
        if now < outage.probe_at || self.in_flight > 0 || !self.may_send() {
            return None;
        }
        let (turn, destination) = (outage.probes as usize, outage.destination);
        self.sort_ready()?;
        let probe = self.candidate(turn, destination).and_then(|index| {
            let at = self.ready.remove(index)?;
            let mut messages = Vec::new();
            self.launch(at, 1, &mut messages);
            Some(Command::Probe { batch: at.batch, message: messages.pop()? })
        });
        self.circuit.start_probe();
        Some(probe.unwrap_or(Command::Reopen))
    }

    /// Which ready event to probe with: another each time, as one that breaks the receiver must not keep the lane
    /// closed, but the first of its key; in a storm one that goes where the storm is.
    fn candidate(&self, turn: usize, destination: Option<u32>) -> Option<usize> {
        let mut keys = HashSet::new();
        let mut first_of_keys = Vec::new();
        for (index, at) in self.ready.iter().enumerate() {
            let Some(batch) = self.window.get(at.batch) else { continue };
            let Some(entry) = batch.events.get(at.event as usize) else { continue };
            let is_held = !self.window.is_retry(at.batch) && self.keys.is_held(entry.key);
            if keys.insert(entry.key) && !is_held && entry.failure.is_none() && batch.has_unsent(at.event) {
                first_of_keys.push((index, entry.destination));
            }
        }
        let there = |(_, it): &&(usize, u32)| destination.is_none_or(|wanted| wanted == *it);
        let count = first_of_keys.iter().filter(there).count();
        let chosen = if count > 0 {
            first_of_keys.iter().filter(there).nth(turn % count)
        } else {
            first_of_keys.get(turn % first_of_keys.len().max(1))
        };
        chosen.map(|(index, _)| *index)
    }

    /// Notes that the sink opened, in answer to [`Command::Reopen`].
    pub fn sink_opened(&mut self) {
        if self.circuit.answered(true) {
            self.watch.forget_answers();
        }
    }

    /// Notes that the sink can't be opened, at the start or in answer to [`Command::Reopen`].
    pub fn sink_failed(&mut self, now: Time, failure: Failure) {
        self.circuit.fail(now, failure, &mut self.jitter);
    }
}
