//! How long to wait between polls that found nothing.

use std::time::{Duration, Instant};

/// How long after the last event polls stay frequent: longer than the gaps of steady traffic, and short
/// enough that an idle outbox costs next to nothing.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// The pause between polls: short while events flow, then doubling up to its longest.
#[derive(Debug)]
pub(super) struct PollPause {
    busy: Duration,
    idle: Duration,
    current: Duration,
    last_event: Instant,
}

impl PollPause {
    pub(super) fn new(busy: Duration, idle: Duration) -> Self {
        Self { busy, idle: idle.max(busy), current: busy, last_event: Instant::now() }
    }

    /// An event came.
    pub(super) fn found(&mut self, now: Instant) {
        self.current = self.busy;
        self.last_event = now;
    }

    /// How long to wait after a poll that found nothing.
    pub(super) fn after_nothing(&mut self, now: Instant) -> Duration {
        if now.saturating_duration_since(self.last_event) >= BUSY_FOR {
            self.current = (self.current * 2).min(self.idle);
        }
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_only_after_a_quiet_second_and_shrinks_at_once() {
        let (busy, idle) = (Duration::from_millis(2), Duration::from_millis(50));
        let mut pause = PollPause::new(busy, idle);
        let start = Instant::now();
        pause.found(start);
        assert_eq!(pause.after_nothing(start + Duration::from_millis(900)), busy);
        let quiet = start + Duration::from_secs(2);
        let pauses: Vec<_> = (0..7).map(|_| pause.after_nothing(quiet).as_millis()).collect();
        assert_eq!(pauses, [4, 8, 16, 32, 50, 50, 50]);
        pause.found(quiet);
        assert_eq!(pause.after_nothing(quiet), busy);
    }
}
