//! The limit on a guest's CPU time.
//!
//! The limit counts the CPU time of the lane's own thread and not the wall clock: a machine that is paused, or
//! too busy to run the lane, kills no innocent plugin. The clock is read only when a call has outlived a tick,
//! so a usual call costs nothing; the limit is noticed up to two ticks late.

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use wasmtime::UpdateDeadline;

use super::ticker::TICK;

/// CPU time that one call may take.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    limit: Duration,
    started: Option<Instant>,
    first_tick: Option<Duration>,
    passed: bool,
}

impl Deadline {
    /// A new call may take `limit`.
    pub(super) fn start(&mut self, limit: Duration) {
        *self = Self { limit, started: Some(Instant::now()), first_tick: None, passed: false };
    }

    /// Whether the last call was stopped.
    pub(super) fn passed(&self) -> bool {
        self.passed
    }

    /// What the last call was allowed.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// How long the call took that ends now, on its own thread. A call within a tick is measured by the wall, which is
    /// cheaper to read, and a longer one by its CPU time, up to a tick too much.
    pub(super) fn took(&self) -> Duration {
        match (self.first_tick, self.started) {
            (Some(first), _) => ThreadTime::now().as_duration().saturating_sub(first) + TICK,
            (None, Some(started)) => started.elapsed().min(TICK),
            (None, None) => Duration::ZERO,
        }
    }

    /// The epoch moved while the guest ran, on the guest's thread.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
        self.tick_at(ThreadTime::now().as_duration())
    }

    fn tick_at(&mut self, cpu_time: Duration) -> UpdateDeadline {
        let first = *self.first_tick.get_or_insert(cpu_time);
        let left = self.limit.saturating_sub(cpu_time.saturating_sub(first));
        if left.is_zero() {
            self.passed = true;
            return UpdateDeadline::Interrupt;
        }
        // CPU time never runs faster than ticks, so what is left can't be used up before that many of them.
        let ticks = left.as_nanos().div_ceil(TICK.as_nanos());
        UpdateDeadline::Continue(u64::try_from(ticks).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_on(deadline: &mut Deadline, at: u64) -> Option<u64> {
        match deadline.tick_at(Duration::from_millis(at)) {
            UpdateDeadline::Continue(ticks) => Some(ticks),
            _ => None,
        }
    }

    #[test]
    fn a_guest_that_got_no_cpu_time_is_not_stopped_however_many_ticks_pass() {
        let mut deadline = Deadline::default();
        deadline.start(Duration::from_millis(20));
        for _ in 0..1_000 {
            assert_eq!(goes_on(&mut deadline, 700), Some(20));
        }
        assert!(!deadline.passed());
    }

    #[test]
    fn a_guest_is_stopped_once_it_used_its_cpu_time() {
        let mut deadline = Deadline::default();
        deadline.start(Duration::from_millis(20));
        assert_eq!(goes_on(&mut deadline, 700), Some(20));
        assert_eq!(goes_on(&mut deadline, 719), Some(1));
        assert_eq!(goes_on(&mut deadline, 720), None);
        assert!(deadline.passed());
        deadline.start(Duration::from_millis(20));
        assert!(!deadline.passed());
    }
}
