//! What one instance reads from lookup tables.

use std::sync::Arc;

use crate::plugin::Tables;

/// Bytes that each answer and each key of a question counts beside its value: what the host keeps of them.
const PER_KEY: usize = 32;

/// Why a lookup has no answer that the guest could go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The guest may not read this table.
    Denied(String),
    /// There is no table to read now.
    Unavailable(&'static str),
    /// The answer has so many bytes.
    TooLarge(usize),
    /// The call has read all that it may, and ends.
    UsedUp,
}

/// The tables of one call, and how much of them it may still have.
#[derive(Debug, Default)]
pub(super) struct LookupReads {
    /// `None` while the plugin is described or configured.
    tables: Option<Tables>,
    /// Bytes that one event may have.
    each: usize,
    /// Bytes that the call may have.
    allowed: usize,
    used: usize,
}

impl LookupReads {
    /// A call about `events` events begins, each of which may have `each` bytes.
    pub(super) fn begin(&mut self, tables: &Tables, each: usize, events: usize) {
        let allowed = each.saturating_mul(events);
        *self = Self { tables: Some(tables.clone()), each, allowed, used: 0 };
    }

    /// The bytes that the call wanted when that was more than it may have.
    pub(super) fn refused(&self) -> Option<usize> {
        (self.used > self.allowed).then_some(self.used)
    }

    /// The bytes that the call may have.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }

    /// Counts a question about `keys` keys before they are looked at.
    pub(super) fn ask(&mut self, keys: usize) -> Result<(), Unanswered> {
        self.count(keys.saturating_mul(PER_KEY))
    }

    /// The values of `keys` in the table called `name`.
    pub(super) fn values<'k>(
        &mut self,
        name: &str,
        keys: impl Iterator<Item = &'k str>,
    ) -> Result<Vec<Option<Arc<[u8]>>>, Unanswered> {
        let Some(tables) = &self.tables else {
            return Err(Unanswered::Unavailable("lookup tables are there for events only"));
        };
        let Some(table) = tables.get(name) else { return Err(Unanswered::Denied(denied(name, tables))) };
        let values: Vec<_> = keys.map(|key| table.get(key).cloned()).collect();
        let size = values.iter().flatten().map(|it| it.len()).sum();
        if size > self.each {
            return Err(Unanswered::TooLarge(size));
        }
        self.count(size).map(|()| values)
    }

    fn count(&mut self, bytes: usize) -> Result<(), Unanswered> {
        // While it is described or configured a guest gets nothing, and its time limits how often it asks.
        if self.tables.is_none() {
            return Ok(());
        }
        self.used = self.used.saturating_add(bytes);
        if self.used > self.allowed { Err(Unanswered::UsedUp) } else { Ok(()) }
    }
}

fn denied(name: &str, tables: &Tables) -> String {
    let granted = tables.names();
    let granted = if granted.is_empty() { "none" } else { granted.as_str() };
    // The guest chose the name, and what it is told comes back in its reasons.
    let name = super::log::printable(name, 64);
    format!("the plugin may not read the lookup table {name:?}; it may read: {granted}")
}
