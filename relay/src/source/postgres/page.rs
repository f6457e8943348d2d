//! Rows of one read, and how the two kinds are put in order.

use sqlx::postgres::PgRow;

use super::rows::{payload_size, sequence};
use crate::source::{BatchLimit, SourceError};

/// One row, with what merging needs of it.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) sequence: i64,
    /// Payload bytes as sent.
    size: usize,
    pub(super) row: PgRow,
}

/// Rows as one statement returned them, up to a limit.
#[derive(Debug)]
pub(super) struct Rows {
    limit: BatchLimit,
    pub(super) taken: Vec<Taken>,
    pub(super) bytes: usize,
    /// There were more rows than were taken.
    pub(super) more: bool,
}

impl Rows {
    pub(super) fn new(limit: BatchLimit) -> Self {
        Self { limit, taken: Vec::new(), bytes: 0, more: false }
    }

    /// Takes `row` if there is room. What there is no room for is forgotten, so memory stays bounded whatever
    /// the server sends.
    pub(super) fn take(&mut self, row: PgRow) -> Result<(), SourceError> {
        let full = self.taken.len() >= self.limit.events || self.bytes >= self.limit.bytes;
        if self.more || (full && !self.taken.is_empty()) {
            self.more = true;
            return Ok(());
        }
        let size = payload_size(&row)?;
        self.bytes += size;
        self.taken.push(Taken { sequence: sequence(&row)?, size, row });
        Ok(())
    }
}

/// Rows in order of their sequence.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) rows: Vec<Taken>,
    pub(super) bytes: usize,
    /// Nothing was left out.
    pub(super) complete: bool,
}

/// Merges two pages that are each in order, up to `limit`.
///
/// A page that was cut fills a batch by itself, so the merge is full before it could pass the end of such a
/// page and miss what follows there.
pub(super) fn merge(fresh: Rows, late: Rows, limit: BatchLimit) -> Merged {
    let cut = fresh.more || late.more;
    let mut rows = fresh.taken;
    rows.extend(late.taken);
    rows.sort_unstable_by_key(|taken| taken.sequence);
    let (mut keep, mut bytes) = (0, 0);
    for taken in &rows {
        if keep > 0 && (keep >= limit.events || bytes >= limit.bytes) {
            break;
        }
        keep += 1;
        bytes += taken.size;
    }
    let complete = !cut && keep == rows.len();
    rows.truncate(keep);
    Merged { rows, bytes, complete }
}
