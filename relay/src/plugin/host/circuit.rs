//! Stops running a plugin that fails on nearly everything.
//!
//! One bad event costs that event alone. A bad build fails on all of them, and each would be tried again and then
//! be given up on: a storm of dead letters that says one thing. So after enough faults in a row, give or take a
//! few, the plugin is not asked any more; some time later it is asked about a few events, and one success is
//! enough to go on.

use std::time::{Duration, Instant};

/// Events that are looked back on.
const RECENT: u32 = 32;

/// Faults among them from which on the plugin is not asked any more: what a producer's bug spoils among good
/// events stays below.
const TOO_MANY: u32 = 28;

/// The first pause; it doubles with each failed attempt to go on.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause: an operator's correction outside of the relay works within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What became of a plugin's last events in one lane.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// One bit per event, 1 for a fault.
    recent: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    pause: Duration,
    until: Instant,
}

/// Whether the plugin is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// As usual.
    Usually,
    /// About some events, to see whether it goes on.
    Carefully,
    /// Not now.
    Not,
}

impl Circuit {
    pub(super) fn ask(&self, now: Instant) -> Ask {
        match self.open {
            None => Ask::Usually,
            Some(open) if now >= open.until => Ask::Carefully,
            Some(_) => Ask::Not,
        }
    }

    /// When the plugin is asked again; `None`: it is not being left alone.
    pub(super) fn until(&self) -> Option<Instant> {
        self.open.map(|open| open.until)
    }

    /// `events` were answered.
    pub(super) fn succeeded(&mut self, events: usize) {
        if self.open.take().is_some() {
            self.recent = 0;
        }
        self.recent = u32::try_from(events).ok().and_then(|it| self.recent.checked_shl(it)).unwrap_or(0);
    }

    /// One event failed by the plugin's fault. Returns whether the plugin is left alone from now on.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.recent = self.recent << 1 | 1;
        let opens = self.open.is_none() && self.recent.count_ones() >= TOO_MANY;
        if opens {
            self.open = Some(Open { pause: FIRST_PAUSE, until: now + FIRST_PAUSE });
        }
        opens
    }

    /// Every event of a careful attempt failed.
    pub(super) fn failed_again(&mut self, now: Instant) {
        let pause = self.open.map_or(FIRST_PAUSE, |open| (open.pause * 2).min(LONGEST_PAUSE));
        self.open = Some(Open { pause, until: now + pause });
    }
}

#[cfg(test)]
impl Circuit {
    /// Ends the pause.
    pub(super) fn rest_is_over(&mut self) {
        let now = Instant::now();
        self.open = self.open.map(|open| Open { until: now, ..open });
    }
}

/// Events of a careful attempt: more than one, because the first may be bad of itself.
pub(super) const CAREFULLY: usize = 8;

const _: () = assert!(RECENT == u32::BITS && TOO_MANY < RECENT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_events_among_good_ones_do_not_open_it_and_nothing_but_bad_ones_do() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..1_000 {
            assert!(!circuit.failed(now) && !circuit.failed(now) && !circuit.failed(now));
            circuit.succeeded(1);
        }
        let opened = (0..100).find(|_| circuit.failed(now));
        assert!(opened.is_some_and(|it| it < 28), "{opened:?}");
        assert_eq!(circuit.ask(now), Ask::Not);
    }

    #[test]
    fn the_pause_grows_to_a_minute_and_one_success_ends_it() {
        let mut now = Instant::now();
        let mut circuit = Circuit::default();
        while !circuit.failed(now) {}
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(circuit.until(), Some(now + Duration::from_secs(expected)));
            assert_eq!(circuit.ask(now), Ask::Not);
            now += Duration::from_secs(expected);
            assert_eq!(circuit.ask(now), Ask::Carefully);
            circuit.failed_again(now);
        }
        circuit.succeeded(1);
        assert_eq!((circuit.ask(now), circuit.until()), (Ask::Usually, None));
        circuit.succeeded(100);
        assert!(!circuit.failed(now));
        assert_eq!(circuit.recent, 1);
    }
}
