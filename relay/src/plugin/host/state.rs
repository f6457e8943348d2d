//! What the host keeps for one instance of a plugin.

use std::sync::Arc;
use std::time::Duration;

use super::config::PluginLimits;
use super::deadline::Deadline;
use super::log::{GuestLog, InstanceLog};
use super::memory::MemoryBudget;

/// The host's side of one instance: its limits, and what it may see and say.
#[derive(Debug)]
pub(super) struct GuestState {
    pub(super) memory: MemoryBudget,
    pub(super) deadline: Deadline,
    /// Microseconds since the Unix epoch, frozen for the batch.
    pub(super) now: u64,
    pub(super) log: Arc<InstanceLog>,
}

impl GuestState {
    pub(super) fn new(log: Arc<GuestLog>, limits: &PluginLimits) -> Self {
        let log = Arc::new(InstanceLog::of(log));
        Self { memory: MemoryBudget::new(limits.memory), deadline: Deadline::default(), now: 0, log }
    }

    /// A new call begins, which may take `time`.
    pub(super) fn start(&mut self, time: Duration, now: u64) {
        self.memory.start();
        self.deadline.start(time);
        self.now = now;
    }
}
