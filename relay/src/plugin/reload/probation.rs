//! The time in which a new build has to do no worse than the one before it.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::plugin::host::Digest;
use crate::plugin::{Generation, Record, Tally};

/// Events after which a build is trusted.
const EVENTS: u64 = 1_000;

/// Time after which it is trusted, however few events came.
const LONGEST: Duration = Duration::from_secs(600);

/// How often a build on probation is looked at where nothing fails.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Failures below this say nothing: events may be bad of themselves.
const FEWEST_FAILURES: u64 = 5;

/// The share of events that may fail although none did with the old build.
const ALLOWED_SHARE: f64 = 0.01;

/// How many times the old build's share of failures is allowed.
const ALLOWED_TIMES: f64 = 2.0;

/// A build on probation, and what to go back to.
pub(super) struct Probation {
    /// The last build that was trusted.
    pub(super) trusted: Arc<dyn Generation>,
    /// Its digest.
    pub(super) digest: Digest,
    before: Tally,
    record: Arc<Record>,
    since: Instant,
}

/// How a build does on probation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is too early to say.
    Open,
    /// It is trusted from now on.
    Passed,
    /// It does worse than the one before.
    Failed,
}

impl Probation {
    /// The build of `record` is on probation from now on; `trusted`, known by `digest`, goes on if it fails. `judge` is
    /// told of each event that fails.
    pub(super) fn begin(
        trusted: Arc<dyn Generation>,
        digest: Digest,
        record: Arc<Record>,
        judge: &Arc<Notify>,
    ) -> Self {
        record.begin_probation(Arc::clone(judge));
        let before = trusted.record().tally();
        Self { trusted, digest, before, record, since: Instant::now() }
    }

    /// What the build did so far, and for how long.
    pub(super) fn so_far(&self) -> (Tally, Duration, Option<String>) {
        (self.record.tally(), self.since.elapsed(), self.record.last_failure())
    }

    pub(super) fn outcome(&self, now: Instant) -> Outcome {
        let tally = self.record.tally();
        if is_worse(tally, self.before) {
            Outcome::Failed
        } else if tally.asked >= EVENTS || now >= self.since + LONGEST {
            Outcome::Passed
        } else {
            Outcome::Open
        }
    }
}

impl Drop for Probation {
    fn drop(&mut self) {
        self.record.end_probation();
    }
}

/// Whether `new` fails clearly more often than `old` did.
fn is_worse(new: Tally, old: Tally) -> bool {
    if new.failed < FEWEST_FAILURES {
        return false;
    }
    let share = |tally: Tally| tally.failed as f64 / tally.asked.max(1) as f64;
    share(new) > ALLOWED_TIMES * (share(old) + ALLOWED_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_worse_when_it_fails_clearly_more_often_and_not_by_chance() {
        let tally = |failed, asked| Tally { asked, failed };
        let fresh = tally(0, 0);
        assert!(!is_worse(tally(4, 4), fresh), "four events may be bad of themselves");
        assert!(is_worse(tally(5, 5), fresh));
        assert!(is_worse(tally(5, 200), tally(0, 100_000)));
        assert!(!is_worse(tally(5, 300), tally(0, 100_000)), "less than two percent");
        let sour = tally(100, 1_000);
        assert!(!is_worse(tally(20, 100), sour), "the old build failed on every tenth");
        assert!(is_worse(tally(30, 100), sour));
    }
}
