//! Which keys have something under way or held back.

use std::collections::{HashMap, VecDeque};

use super::plan::EventAt;
use crate::event::KeyId;

/// Keys with an event in flight, waiting or held. A key with none of these has no entry.
#[derive(Debug, Default)]
pub(super) struct Keys {
    entries: HashMap<KeyId, Entry>,
    held: u64,
}

#[derive(Debug, Default)]
struct Entry {
    /// An event of the key is in the ready queue or in flight.
    busy: bool,
    /// Events that wait for it, in order.
    waiting: VecDeque<EventAt>,
    /// Events in the side table, or on their way there with the next settlement.
    held: u64,
}

impl Keys {
    pub(super) fn is_held(&self, key: KeyId) -> bool {
        self.held > 0 && self.entries.get(&key).is_some_and(|entry| entry.held > 0)
    }

    /// Held events of all keys.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    pub(super) fn hold(&mut self, key: KeyId, count: u64) {
        self.entries.entry(key).or_default().held += count;
        self.held += count;
    }

    pub(super) fn release(&mut self, key: KeyId) {
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.held > 0
        {
            entry.held -= 1;
            self.held -= 1;
            self.forget_idle(key);
        }
    }

    /// Claims the key for `at`, or queues `at` behind the event that has it. Returns whether it is claimed.
    pub(super) fn claim(&mut self, key: KeyId, at: EventAt) -> bool {
        let entry = self.entries.entry(key).or_default();
        if entry.busy {
            entry.waiting.push_back(at);
            return false;
        }
        entry.busy = true;
        true
    }

    /// Passes the key on to the next waiting event, which it returns, or frees it.
    pub(super) fn pass_on(&mut self, key: KeyId) -> Option<EventAt> {
        let entry = self.entries.get_mut(&key)?;
        let next = entry.waiting.pop_front();
        entry.busy = next.is_some();
        self.forget_idle(key);
        next
    }

    /// Takes all waiting events out and frees the key.
    pub(super) fn take_waiting(&mut self, key: KeyId) -> VecDeque<EventAt> {
        let Some(entry) = self.entries.get_mut(&key) else { return VecDeque::new() };
        entry.busy = false;
        let waiting = std::mem::take(&mut entry.waiting);
        self.forget_idle(key);
        waiting
    }

    fn forget_idle(&mut self, key: KeyId) {
        if self.entries.get(&key).is_some_and(|it| !it.busy && it.held == 0 && it.waiting.is_empty()) {
            self.entries.remove(&key);
        }
    }
}
