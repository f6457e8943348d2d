//! Which keys have something under way or held back.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::plan::EventAt;
use crate::event::KeyId;

/// Keys with an event in flight, waiting or held. A key with none of these has no entry.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Keys with an event in the ready queue or in flight, and those that wait for it, in order. As many as the
    /// window has at most.
    busy: HashMap<KeyId, VecDeque<EventAt>>,
    /// Keys with events in the side table: as many as are parked, so an entry is 24 bytes.
    held: HashMap<Packed, Counts, BuildHasherDefault<KeyHasher>>,
    /// Events counted as held that no settlement has taken up yet.
    unrecorded: HashMap<KeyId, u32>,
    total: u64,
}

/// A key in halves: with the alignment of 128 bits an entry would be 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packed([u64; 2]);

impl Packed {
    fn of(key: KeyId) -> Self {
        Self([(key.0 >> 64) as u64, key.0 as u64])
    }
}

impl std::hash::Hash for Packed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0] ^ self.0[1]);
    }
}

/// A key is a hash already.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, half: u64) {
        // Spreads small numbers too, which tests use as keys.
        self.0 = half.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Held events of one key.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// All that keep later events back.
    held: u32,
    /// The dead letters among them.
    dead: u32,
}

impl Keys {
    /// Room for as many keys, so that taking over a lane does not grow the table step by step.
    pub(super) fn with_capacity(keys: usize) -> Self {
        let mut all = Self::default();
        all.held.reserve(keys);
        all
    }

    /// Counts what the side table holds of a key.
    pub(super) fn recorded(&mut self, key: KeyId, held: u64, dead: u64) {
        let count = |it: u64| u32::try_from(it).unwrap_or(u32::MAX);
        if held > 0 {
            self.held.insert(Packed::of(key), Counts { held: count(held), dead: count(dead) });
            self.total += u64::from(count(held));
        }
    }

    pub(super) fn is_held(&self, key: KeyId) -> bool {
        self.total > 0 && self.held.contains_key(&Packed::of(key))
    }

    /// Held events of all keys.
    pub(super) fn held(&self) -> u64 {
        self.total
    }

    /// Whether the side table holds an event of the key, or will with the pending settlement.
    pub(super) fn is_recorded(&self, key: KeyId) -> bool {
        let unrecorded = self.unrecorded.get(&key).copied().unwrap_or_default();
        self.counts(key).held > unrecorded
    }

    pub(super) fn has_dead(&self, key: KeyId) -> bool {
        self.counts(key).dead > 0
    }

    /// Recorded events of the key that are not dead.
    pub(super) fn waiting(&self, key: KeyId) -> u64 {
        let unrecorded = self.unrecorded.get(&key).copied().unwrap_or_default();
        let counts = self.counts(key);
        u64::from(counts.held.saturating_sub(counts.dead).saturating_sub(unrecorded))
    }

    fn counts(&self, key: KeyId) -> Counts {
        self.held.get(&Packed::of(key)).copied().unwrap_or_default()
    }

    /// Holds the key back for an event of the window.
    pub(super) fn hold(&mut self, key: KeyId) {
        self.hold_recorded(key);
        *self.unrecorded.entry(key).or_default() += 1;
    }

    /// Holds the key back for an event that is in the side table.
    pub(super) fn hold_recorded(&mut self, key: KeyId) {
        self.held.entry(Packed::of(key)).or_default().held += 1;
        self.total += 1;
    }

    /// Undoes [`Keys::hold`] for an event that does not go to the side table after all.
    pub(super) fn let_go(&mut self, key: KeyId) {
        self.record(key);
        self.release(key);
    }

    /// The pending settlement takes up an event that [`Keys::hold`] counted.
    pub(super) fn record(&mut self, key: KeyId) {
        if let Some(unrecorded) = self.unrecorded.get_mut(&key) {
            *unrecorded -= 1;
            if *unrecorded == 0 {
                self.unrecorded.remove(&key);
            }
        }
    }

    /// An event left the side table.
    pub(super) fn release(&mut self, key: KeyId) {
        let packed = Packed::of(key);
        if let Some(counts) = self.held.get_mut(&packed) {
            counts.held -= 1;
            counts.dead = counts.dead.min(counts.held);
            self.total -= 1;
            if counts.held == 0 {
                self.held.remove(&packed);
            }
        }
    }

    /// An event of the key became a dead letter, and with `all` every recorded one.
    pub(super) fn note_dead(&mut self, key: KeyId, all: bool) {
        let waiting = u32::try_from(self.waiting(key)).unwrap_or(u32::MAX);
        if let Some(counts) = self.held.get_mut(&Packed::of(key)) {
            counts.dead = counts.dead.saturating_add(if all { waiting } else { 1 }).min(counts.held);
        }
    }

    /// A dead letter of the key is one no more.
    pub(super) fn forget_dead(&mut self, key: KeyId) {
        if let Some(counts) = self.held.get_mut(&Packed::of(key)) {
            counts.dead = counts.dead.saturating_sub(1);
        }
    }

    /// Claims the key for `at`, or queues `at` behind the event that has it. Returns whether it is claimed.
    pub(super) fn claim(&mut self, key: KeyId, at: EventAt) -> bool {
        match self.busy.get_mut(&key) {
            Some(waiting) => {
                waiting.push_back(at);
                false
            }
            None => {
                self.busy.insert(key, VecDeque::new());
                true
            }
        }
    }

    /// Passes the key on to the next waiting event, which it returns, or frees it.
    pub(super) fn pass_on(&mut self, key: KeyId) -> Option<EventAt> {
        let next = self.busy.get_mut(&key)?.pop_front();
        if next.is_none() {
            self.busy.remove(&key);
        }
        next
    }

    /// Takes all waiting events out and frees the key.
    pub(super) fn take_waiting(&mut self, key: KeyId) -> VecDeque<EventAt> {
        self.busy.remove(&key).unwrap_or_default()
    }
}
