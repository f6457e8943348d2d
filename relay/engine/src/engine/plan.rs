//! What comes into a lane: events whose messages are rendered.

use crate::event::KeyId;
use crate::outcome::Failure;

/// Numbers the batches of one lane; ascends.
pub type BatchId = u64;

/// One event of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventAt {
    /// The batch.
    pub batch: BatchId,
    /// The event's index in it.
    pub event: u32,
}

/// An event after its plugins and routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedEvent {
    /// Its key.
    pub key: KeyId,
    /// Bytes that the event and its messages hold in memory.
    pub bytes: u32,
    /// Where its first message goes, see [`destination`]: failures are counted by it.
    pub destination: u32,
    /// What to do with it.
    pub plan: Plan,
}

/// A number for a place, the same for the same one.
#[must_use]
pub fn destination(place: &str) -> u32 {
    // The upper half is as good a hash as the whole.
    (xxhash_rust::xxh3::xxh3_64(place.as_bytes()) >> 32) as u32
}

/// What to do with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Deliver this many messages; they follow those of the event before it in the batch.
    Send {
        /// At least one.
        messages: u32,
    },
    /// Nothing: discarded by a plugin, or without a message for this sink.
    Done,
    /// It failed before it had messages: in a plugin, in routing, or by its size.
    Fail(Failure),
    /// Stop the lane before this event until an operator acts.
    Halt(String),
}

/// A parked event that is due, after its messages were taken from the side table or rendered anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryEvent {
    /// Its key, size and plan. The messages count all slots, the delivered ones too.
    pub planned: PlannedEvent,
    /// Attempts spent so far.
    pub attempts: u32,
    /// Which of its messages were delivered before, counted from its first.
    pub delivered: Vec<u32>,
}

/// What the side table holds of one key when a lane is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldKey {
    /// The key.
    pub key: KeyId,
    /// Parked and blocked events.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
}

/// Bytes of what the side table holds when a lane is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldBytes {
    /// Parked and blocked events.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
}
