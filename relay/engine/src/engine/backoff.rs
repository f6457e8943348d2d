//! How long to wait before the next try.

use std::time::Duration;

/// Exponential backoff with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Upper bound of the first pause.
    pub first: Duration,
    /// Upper bound of every pause.
    pub max: Duration,
    /// Attempts an event gets before it is a dead letter.
    pub attempts: u32,
}

/// Jitter never shortens a pause below this share of its bound, so that a retry does not hit the receiver at
/// once again.
const FLOOR_DIVISOR: u32 = 4;

impl RetryPolicy {
    /// The pause after `attempts` failed attempts, at least 1; `asked` is the receiver's own wish, which is
    /// kept up to the policy's `max`.
    pub(super) fn pause(&self, attempts: u32, asked: Option<Duration>, jitter: &mut Jitter) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let bound = self.first.saturating_mul(1 << doublings).min(self.max);
        let floor = bound / FLOOR_DIVISOR;
        let pause = floor + jitter.below(bound.saturating_sub(floor));
        pause.max(asked.unwrap_or_default()).min(self.max.max(bound))
    }
}

/// A small generator (splitmix64) seeded from outside, so that decisions replay.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: Duration) -> Duration {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(if micros == 0 { 0 } else { self.next() % micros })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { first: Duration::from_millis(200), max: Duration::from_secs(300), attempts: 12 };

    #[test]
    fn pauses_grow_up_to_the_maximum_and_never_fall_below_a_quarter_of_their_bound() {
        let mut jitter = Jitter::new(7);
        for (attempts, bound_ms) in [(1, 200), (2, 400), (5, 3_200), (12, 300_000), (4_000_000, 300_000)] {
            for _ in 0..100 {
                let pause = POLICY.pause(attempts, None, &mut jitter);
                assert!(pause <= Duration::from_millis(bound_ms), "{attempts}: {pause:?}");
                assert!(pause >= Duration::from_millis(bound_ms / 4), "{attempts}: {pause:?}");
            }
        }
    }

    #[test]
    fn the_receivers_wish_is_kept_but_not_beyond_the_maximum() {
        let mut jitter = Jitter::new(7);
        let asked = Duration::from_secs(30);
        assert_eq!(POLICY.pause(1, Some(asked), &mut jitter), asked);
        assert_eq!(POLICY.pause(1, Some(Duration::from_secs(86_400)), &mut jitter), POLICY.max);
    }
}
