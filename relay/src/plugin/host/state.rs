//! What the host keeps for one instance of a plugin.

use std::sync::Arc;
use std::time::Duration;

use super::batch::CurrentBatch;
use super::config::PluginLimits;
use super::deadline::Deadline;
use super::log::{GuestLog, InstanceLog};
use super::lookup::LookupReads;
use super::memory::MemoryBudget;
use super::metrics::CallMetrics;
use super::wasi::{Printed, Seed};

/// The host's side of one instance: its limits, and what it may see and say.
#[derive(Debug)]
pub(super) struct GuestState {
    pub(super) memory: MemoryBudget,
    pub(super) deadline: Deadline,
    /// Microseconds since the Unix epoch, frozen for the batch.
    pub(super) now: u64,
    /// While a call about events lasts.
    pub(super) batch: Option<CurrentBatch>,
    pub(super) log: Arc<InstanceLog>,
    pub(super) lookup: LookupReads,
    pub(super) metrics: CallMetrics,
    /// Series that it may have.
    pub(super) most_series: usize,
    /// What it printed of lines that have no end yet.
    pub(super) printed: Printed,
    /// What seeds the generators of its runtime, until its first event.
    pub(super) seed: Option<Seed>,
}

impl GuestState {
    pub(super) fn new(log: Arc<GuestLog>, limits: &PluginLimits) -> Self {
        Self {
            memory: MemoryBudget::new(limits.memory),
            deadline: Deadline::default(),
            now: 0,
            batch: None,
            log: Arc::new(InstanceLog::of(log)),
            lookup: LookupReads::default(),
            metrics: CallMetrics::default(),
            most_series: limits.series,
            printed: Printed::default(),
            seed: Some(Seed::default()),
        }
    }

    /// A new call begins, which may take `time`.
    pub(super) fn start(&mut self, time: Duration) {
        self.memory.start();
        self.deadline.start(time);
    }

    /// A call is over: writes what it printed and did not end with a new line.
    pub(super) fn finish(&mut self) {
        self.printed.finish(&self.log);
        self.log.finish();
    }
}
