//! Stops a lane while its sink is away, and finds out when it is back.

use std::time::Duration;

use super::backoff::{Jitter, RetryPolicy};
use crate::clock::Time;
use crate::outcome::Failure;

/// Pauses between probes: quick at first, as most outages are restarts, then gentle.
const PROBES: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(100), max: Duration::from_secs(10), attempts: u32::MAX };

/// Whether the sink answers.
#[derive(Debug, Clone)]
pub(super) enum Circuit {
    /// It does.
    Closed,
    /// It does not; nothing is sent until the probe.
    Open(Outage),
}

/// An outage of a sink, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When it began.
    pub since: Time,
    /// When the next probe is sent.
    pub probe_at: Time,
    /// Probes that failed.
    pub probes: u32,
    /// Whether a probe is under way.
    pub probing: bool,
    /// The last failure.
    pub failure: Failure,
}

impl Circuit {
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    pub(super) fn outage(&self) -> Option<&Outage> {
        match self {
            Self::Closed => None,
            Self::Open(outage) => Some(outage),
        }
    }

    /// Notes that the sink failed. Failures of deliveries that were under way when it opened change nothing.
    pub(super) fn fail(&mut self, now: Time, failure: Failure, jitter: &mut Jitter) {
        match self {
            Self::Closed => {
                let probe_at = now + PROBES.pause(1, failure.retry_after, jitter);
                *self = Self::Open(Outage { since: now, probe_at, probes: 0, probing: false, failure });
            }
            Self::Open(outage) if outage.probing => {
                outage.probing = false;
                outage.probes = outage.probes.saturating_add(1);
                outage.probe_at = now + PROBES.pause(outage.probes + 1, failure.retry_after, jitter);
                outage.failure = failure;
            }
            Self::Open(_) => {}
        }
    }

    /// Notes that a delivery was answered; the answer to the probe ends the outage.
    pub(super) fn answered(&mut self) {
        if self.outage().is_some_and(|outage| outage.probing) {
            *self = Self::Closed;
        }
    }

    pub(super) fn start_probe(&mut self) {
        if let Self::Open(outage) = self {
            outage.probing = true;
        }
    }
}
