//! The limit on a guest's memory.

use wasmtime::ResourceLimiter;

/// What one element of a table takes on the host.
const TABLE_ELEMENT: usize = size_of::<usize>();

/// A share of the limit above which a finished batch gives its instance back: linear memory never shrinks, so
/// a guest that leaks starts over before it fails.
const HIGH_WATER_PERCENT: usize = 75;

/// Counts linear memories and tables of one instance together: wasmtime's own limits are per memory, which a
/// component with several would pass.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    limit: usize,
    used: usize,
    refused: Option<usize>,
}

impl MemoryBudget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, refused: None }
    }

    /// A new call begins; what was refused before it explains nothing in it.
    pub(super) fn start(&mut self) {
        self.refused = None;
    }

    /// The total that was asked for when growth was refused last; `None`: never refused.
    pub(super) fn refused(&self) -> Option<usize> {
        self.refused
    }

    /// The limit in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes that memories and tables take.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Whether little is left.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.used >= self.limit / 100 * HIGH_WATER_PERCENT
    }

    fn grow(&mut self, by: usize) -> bool {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            self.refused = Some(wanted);
            return false;
        }
        self.used = wanted;
        true
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Growth past the memory's own maximum fails anyway and must not be counted.
        let possible = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(!possible || self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let possible = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(!possible || self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut budget = MemoryBudget::new(1 << 20);
        assert!(budget.memory_growing(0, 512 << 10, None).unwrap());
        assert!(budget.memory_growing(0, 256 << 10, None).unwrap());
        assert!(budget.is_nearly_full());
        assert!(budget.table_growing(0, 16 << 10, None).unwrap());
        assert_eq!(budget.refused(), None);
        assert!(!budget.memory_growing(512 << 10, 1 << 20, None).unwrap());
        assert_eq!(budget.refused(), Some((512 << 10) + (256 << 10) + (128 << 10) + (512 << 10)));
        assert!(budget.is_nearly_full());
    }

    #[test]
    fn growth_that_fails_at_the_memorys_own_maximum_is_not_counted() {
        let mut budget = MemoryBudget::new(1 << 20);
        assert!(budget.memory_growing(0, 512 << 10, Some(256 << 10)).unwrap());
        assert!(budget.memory_growing(0, 1 << 20, None).unwrap());
    }
}
