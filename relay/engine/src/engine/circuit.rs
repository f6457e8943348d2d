//! Stops a lane while its sink is away or a storm lasts, and finds out when that is over.

use std::time::Duration;

use super::backoff::{Jitter, RetryPolicy};
use crate::clock::Time;
use crate::outcome::Failure;

/// Pauses between probes: quick at first, as most outages are restarts, then gentle.
const PROBES: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(100), max: Duration::from_secs(10), attempts: u32::MAX };

/// Whether deliveries go out.
#[derive(Debug, Clone)]
pub(super) enum Circuit {
    /// They do.
    Closed,
    /// They do not; nothing is sent until the probe.
    Open(Outage),
}

/// Why deliveries do not go out: the later, the longer it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The sink is away.
    Sink,
    /// A storm: the sink, or one destination of it, refuses most events. The first that it takes ends it.
    Receiver,
    /// A storm: plugins or routes fail on most events. Only another generation of the plugins, or other settings, end
    /// it: nothing is probed.
    Plugin,
}

/// An outage of a sink or a storm, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Of what.
    pub cause: Cause,
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
    /// Of a storm: the destination that was refused last.
    pub(super) destination: Option<u32>,
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

    /// The outage or storm, where a probe may be sent for it and none is under way.
    pub(super) fn to_probe(&self) -> Option<&Outage> {
        self.outage().filter(|outage| !outage.probing && outage.cause != Cause::Plugin)
    }

    pub(super) fn is_storm(&self) -> bool {
        self.outage().is_some_and(|outage| outage.cause != Cause::Sink)
    }

    /// Notes that the sink failed. Failures of deliveries that were under way when it opened change nothing.
    pub(super) fn fail(&mut self, now: Time, failure: Failure, jitter: &mut Jitter) {
        match self {
            Self::Closed => self.open(now, Cause::Sink, failure, None, jitter),
            Self::Open(outage) if outage.probing => {
                outage.probing = false;
                outage.probes = outage.probes.saturating_add(1);
                outage.probe_at = now + PROBES.pause(outage.probes + 1, failure.retry_after, jitter);
                outage.failure = failure;
            }
            Self::Open(_) => {}
        }
    }

    /// Opens it. A storm takes the place of an outage that is there: who refuses is not away. A plugin's takes the
    /// place of a receiver's, which may end while the plugin still fails.
    pub(super) fn open(
        &mut self,
        now: Time,
        cause: Cause,
        failure: Failure,
        destination: Option<u32>,
        jitter: &mut Jitter,
    ) {
        match self {
            Self::Closed => {
                let probe_at = now + PROBES.pause(1, failure.retry_after, jitter);
                let (probes, probing) = (0, false);
                *self =
                    Self::Open(Outage { cause, since: now, probe_at, probes, probing, failure, destination });
            }
            Self::Open(outage) if outage.cause < cause => {
                *outage = Outage { cause, failure, destination, ..outage.clone() };
            }
            Self::Open(_) => {}
        }
    }

    /// Notes that a delivery was answered: the answer to the probe ends an outage, a delivery a storm too. Returns
    /// whether it ended one.
    pub(super) fn answered(&mut self, delivered: bool) -> bool {
        let ends = self.outage().is_some_and(|it| {
            it.probing && (delivered && it.cause != Cause::Plugin || it.cause == Cause::Sink)
        });
        if ends {
            *self = Self::Closed;
        }
        ends
    }

    pub(super) fn start_probe(&mut self) {
        if let Self::Open(outage) = self {
            outage.probing = true;
        }
    }
}
