//! What became of the events that one build of a plugin was asked about.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shared by all instances of one build. Events count once, when they are run for the first time: one bad event
/// that is tried ten times says no more than one.
#[derive(Debug, Default)]
pub struct Record {
    asked: AtomicU64,
    failed: AtomicU64,
    on_probation: AtomicBool,
    last: Mutex<Option<String>>,
}

/// A [`Record`] at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Events.
    pub asked: u64,
    /// Those that faulted or were rejected.
    pub failed: u64,
}

impl Record {
    /// `failed` of `asked` events failed, the last one in the words of `last`.
    pub fn add(&self, tally: Tally, last: Option<String>) {
        if let Some(last) = last {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        }
        self.failed.fetch_add(tally.failed, Ordering::Relaxed);
        self.asked.fetch_add(tally.asked, Ordering::Relaxed);
    }

    /// What it counted so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally { asked: self.asked.load(Ordering::Relaxed), failed: self.failed.load(Ordering::Relaxed) }
    }

    /// The last failure in words.
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the build has still to prove itself: nothing that it refuses is given up on then.
    #[must_use]
    pub fn is_on_probation(&self) -> bool {
        self.on_probation.load(Ordering::Relaxed)
    }

    /// Begins or ends the build's probation.
    pub fn set_probation(&self, is_on: bool) {
        self.on_probation.store(is_on, Ordering::Relaxed);
    }
}
