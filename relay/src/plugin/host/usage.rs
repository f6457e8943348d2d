//! The most that one build of a plugin used of each limit, shown beside the limit and told where it comes near.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use metrics::gauge;

use crate::plugin::Identity;
use crate::telemetry;

use super::config::PluginLimits;

/// Percent of a limit from which on the operator is told: what comes so near reaches it with the next larger event.
const NEAR_PERCENT: u128 = 80;

/// What one call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// Bytes of memories and tables.
    pub(super) memory: usize,
    /// Time of the whole call.
    pub(super) time: Duration,
    /// What the call was allowed of it.
    pub(super) allowed: Duration,
    /// Events of the call.
    pub(super) events: usize,
    /// The most messages of one event.
    pub(super) messages: usize,
    /// The most bytes of one event.
    pub(super) output: usize,
}

impl Used {
    /// Time of each event, on average over the call.
    fn each(&self) -> Duration {
        self.time / u32::try_from(self.events.max(1)).unwrap_or(u32::MAX)
    }
}

/// The limits that are looked at, and their bits among those that were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Time = 1,
    Messages = 2,
    Output = 4,
}

/// The most that the instances of one build used.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Nanoseconds.
    time: AtomicU64,
    memory: AtomicU64,
    messages: AtomicU64,
    output: AtomicU64,
    told: AtomicU8,
}

impl Usage {
    /// Notes what a call used, under `limits`.
    pub(super) fn note(&self, used: &Used, limits: &PluginLimits, identity: &Identity) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let show =
            |most: &AtomicU64, now: u64, limit: u64, names: [&'static str; 2], unit: fn(u64) -> f64| {
                // Only a new maximum costs anything. The first is one too: it shows that there is a new build.
                if most.fetch_max(now + 1, Ordering::Relaxed) < now + 1 {
                    gauge!(names[0], "plugin" => identity.name.clone()).set(unit(now));
                    gauge!(names[1], "plugin" => identity.name.clone()).set(unit(limit));
                }
            };
        let (memory, most_memory) = (used.memory as u64, limits.memory as u64);
        show(&self.memory, memory, most_memory, telemetry::PLUGIN_MEMORY, count);
        show(&self.time, nanos(used.each()), nanos(limits.time), telemetry::PLUGIN_TIME, seconds);
        let (messages, most_messages) = (used.messages as u64, limits.messages as u64);
        show(&self.messages, messages, most_messages, telemetry::PLUGIN_MESSAGES, count);
        let (output, most_output) = (used.output as u64, limits.output as u64);
        show(&self.output, output, most_output, telemetry::PLUGIN_OUTPUT, count);
        self.tell(used, limits, identity);
    }

    fn tell(&self, used: &Used, limits: &PluginLimits, identity: &Identity) {
        let near = |now: u128, limit: u128| now * 100 >= limit * NEAR_PERCENT;
        let Used { time, allowed, messages, output, events, .. } = *used;
        if near(time.as_nanos(), allowed.as_nanos()) && self.is_first(Limit::Time) {
            told(identity, &format!("{time:?} of {allowed:?} of CPU time for {events} events"));
        }
        // One message is what most events make, whatever the limit.
        if messages > 1 && near(messages as u128, limits.messages as u128) && self.is_first(Limit::Messages) {
            told(identity, &format!("{messages} of {} messages of one event", limits.messages));
        }
        if near(output as u128, limits.output as u128) && self.is_first(Limit::Output) {
            told(identity, &format!("{output} of {} bytes of one event's messages", limits.output));
        }
    }

    fn is_first(&self, limit: Limit) -> bool {
        self.told.fetch_or(limit as u8, Ordering::Relaxed) & limit as u8 == 0
    }

    #[cfg(test)]
    pub(super) fn told(&self) -> u8 {
        self.told.load(Ordering::Relaxed)
    }

    /// Messages and bytes of the event that made most.
    #[cfg(test)]
    pub(super) fn most_made(&self) -> (u64, u64) {
        let most = |it: &AtomicU64| it.load(Ordering::Relaxed).saturating_sub(1);
        (most(&self.messages), most(&self.output))
    }
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "what is counted stays far below 2^53")]
fn count(count: u64) -> f64 {
    count as f64
}

fn told(identity: &Identity, what: &str) {
    tracing::warn!(
        code = "P143",
        plugin = identity.name,
        version = identity.version,
        digest = identity.short_digest(),
        "P143: the plugin comes near a limit: it used {what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_told_once_when_most_of_it_is_used() {
        let identity = Identity { name: "a".to_owned(), version: "1".to_owned(), digest: "0".to_owned() };
        let limits = PluginLimits { messages: 10, output: 1000, ..PluginLimits::default() };
        let usage = Usage::default();
        let allowed = Duration::from_millis(100);
        let calm =
            Used { events: 10, allowed, messages: 7, output: 799, time: allowed * 79 / 100, memory: 1 };
        usage.note(&calm, &limits, &identity);
        assert_eq!((usage.told(), usage.most_made()), (0, (7, 799)));
        usage.note(&Used { time: allowed * 80 / 100, ..calm }, &limits, &identity);
        assert_eq!(usage.told(), Limit::Time as u8);
        usage.note(&Used { messages: 8, output: 800, ..calm }, &limits, &identity);
        assert_eq!((usage.told(), usage.most_made()), (7, (8, 800)));
        usage.note(&calm, &limits, &identity);
        assert_eq!(usage.most_made(), (8, 800), "a maximum stays");
        // One message of one is no news.
        let single = Usage::default();
        let one = PluginLimits { messages: 1, ..limits };
        single.note(&Used { messages: 1, ..calm }, &one, &identity);
        assert_eq!(single.told(), 0);
    }
}
