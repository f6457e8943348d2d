//! What writers committed, and whether exactly that arrived.
//!
//! [`Writers`] commit, roll back and lose their connection while they note each outcome in a [`Journal`];
//! [`check`] compares it with what a sink holds. The model is that of distributed-system checkers: an outcome
//! is known to have happened, known not to have, or unknown.

mod check;
mod delay;
mod event;
mod observe;
mod outbox;
mod random;
mod sqlite_writer;
mod writers;

use std::collections::HashMap;
use std::time::Instant;

pub use check::{Observed, Report, check};
pub use delay::Delays;
pub use event::{Outcome, WrittenEvent};
pub use outbox::{create_outbox, load_outbox};
pub use random::Random;
pub use sqlite_writer::SqliteWriter;
pub use writers::{WriterPlan, Writers, write_at_once};

/// Everything that writers did.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// Each event with what became of its transaction.
    pub events: Vec<(WrittenEvent, Outcome)>,
    /// By the id of an event, when its commit was known.
    pub committed_at: HashMap<String, Instant>,
}

impl Journal {
    /// How many events are known to be committed.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.events.iter().filter(|(_, outcome)| *outcome == Outcome::Committed).count()
    }

    /// How many of the events known to be committed `chosen` picks.
    #[must_use]
    pub fn committed_of(&self, chosen: impl Fn(&WrittenEvent) -> bool) -> usize {
        let counts =
            |(event, outcome): &&(WrittenEvent, Outcome)| *outcome == Outcome::Committed && chosen(event);
        self.events.iter().filter(counts).count()
    }

    /// How many events are known to be rolled back.
    #[must_use]
    pub fn rolled_back(&self) -> usize {
        self.events.iter().filter(|(_, outcome)| *outcome == Outcome::RolledBack).count()
    }
}
