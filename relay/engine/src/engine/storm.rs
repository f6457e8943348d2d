//! Tells a storm from bad events: when most of what comes fails by "its own fault", the fault is elsewhere.

/// When failures of events are taken for a storm.
///
/// A receiver that refuses everything, or a plugin build that fails on everything, would otherwise turn a whole
/// outbox into dead letters in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StormLimit {
    /// Failed among the last, in percent, from which on it is one.
    pub percent: u32,
    /// How many of the last are looked at, 1 to 128; before as many came, there is no storm.
    pub last: u32,
}

/// Half of the events: bad events come in ones and twos, and a producer's bug seldom in every second event of all
/// its kinds. A hundred: few enough dead letters to read, enough that chance makes no storm.
pub const STORM: StormLimit = StormLimit { percent: 50, last: 100 };

/// Destinations that are told apart; further ones share. A power of two, and small: each costs 32 bytes.
const DESTINATIONS: usize = 64;

/// The last results of one kind, a bit each: the newest lowest, set where the event failed.
#[derive(Debug, Clone, Copy, Default)]
struct Gauge {
    failed: u128,
    seen: u32,
}

impl Gauge {
    /// Notes a result; returns whether it makes a storm.
    fn note(&mut self, failed: bool, limit: StormLimit) -> bool {
        let last = limit.last.clamp(1, u128::BITS);
        self.failed = (self.failed << 1) | u128::from(failed);
        self.seen = self.seen.saturating_add(1).min(last);
        let failures = (self.failed & (u128::MAX >> (u128::BITS - last))).count_ones();
        failed && self.seen == last && u64::from(failures) * 100 >= u64::from(limit.percent) * u64::from(last)
    }
}

/// Watches for storms in plugins, in the sink and in each of its destinations.
#[derive(Debug)]
pub(super) struct Watch {
    limit: Option<StormLimit>,
    plans: Gauge,
    sink: Gauge,
    destinations: Vec<Gauge>,
}

impl Watch {
    pub(super) fn new(limit: Option<StormLimit>) -> Self {
        let mut watch =
            Self { limit, plans: Gauge::default(), sink: Gauge::default(), destinations: Vec::new() };
        watch.forget();
        watch
    }

    /// Notes whether an event got through its plugins and routes; returns whether that makes a storm.
    pub(super) fn planned(&mut self, failed: bool) -> bool {
        self.limit.is_some_and(|limit| self.plans.note(failed, limit))
    }

    /// Notes whether the receiver took an event; returns whether that makes a storm.
    pub(super) fn answered(&mut self, destination: u32, failed: bool) -> bool {
        let Some(limit) = self.limit else { return false };
        let index = destination as usize % DESTINATIONS;
        let in_sink = self.sink.note(failed, limit);
        self.destinations.get_mut(index).is_some_and(|it| it.note(failed, limit)) || in_sink
    }

    /// Begins anew: what was is another generation's.
    pub(super) fn forget(&mut self) {
        self.plans = Gauge::default();
        self.forget_answers();
    }

    /// Begins anew with the sink, which takes events again.
    pub(super) fn forget_answers(&mut self) {
        self.sink = Gauge::default();
        self.destinations = vec![Gauge::default(); DESTINATIONS];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_OF_TEN: StormLimit = StormLimit { percent: 50, last: 10 };

    #[test]
    fn a_storm_needs_its_share_of_the_last_and_as_many_as_that() {
        let mut gauge = Gauge::default();
        assert!((0..9).all(|_| !gauge.note(true, HALF_OF_TEN)), "nine are too few to tell");
        assert!(gauge.note(true, HALF_OF_TEN));
        let mut gauge = Gauge::default();
        assert!((0..1_000).all(|turn| !gauge.note(turn % 5 < 2, HALF_OF_TEN)), "two of five are bad events");
        let more: Vec<_> = (0..3).map(|_| gauge.note(true, HALF_OF_TEN)).collect();
        assert_eq!(more, [false, false, true], "the third in a row makes half");
    }

    #[test]
    fn a_storm_in_one_destination_is_seen_behind_the_good_ones() {
        let mut watch = Watch::new(Some(HALF_OF_TEN));
        let mut results = (0..100).map(|turn| watch.answered(turn % 10, turn % 10 == 3));
        assert_eq!(results.position(|it| it), Some(93), "its tenth failure");
        let mut off = Watch::new(None);
        assert!((0..1_000).all(|_| !off.answered(0, true) && !off.planned(true)));
    }
}
