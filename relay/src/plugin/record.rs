//! What became of the events that one build of a plugin was asked about.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Shared by all instances of one build. Events count once, when they are run for the first time: one bad event
/// that is tried ten times says no more than one.
#[derive(Debug, Default)]
pub struct Record {
    asked: AtomicU64,
    failed: AtomicU64,
    on_probation: AtomicBool,
    last: Mutex<Option<String>>,
    /// Who judges it while it is on probation.
    judge: Mutex<Option<Arc<Notify>>>,
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
        if tally.failed > 0
            && let Some(judge) = &*self.judge.lock().unwrap_or_else(PoisonError::into_inner)
        {
            judge.notify_one();
        }
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

    /// The build has to prove itself from now on; `judge` is told of each failure.
    pub fn begin_probation(&self, judge: Arc<Notify>) {
        *self.judge.lock().unwrap_or_else(PoisonError::into_inner) = Some(judge);
        self.on_probation.store(true, Ordering::Relaxed);
    }

    /// It is trusted, or runs no more.
    pub fn end_probation(&self) {
        self.on_probation.store(false, Ordering::Relaxed);
        *self.judge.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
