//! How long committed events took to arrive.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Journal, WrittenEvent};
use crate::stack::ReceivedRequest;

/// From the moment a commit was known to an event's first arrival, of many events.
#[derive(Debug, Clone, Default)]
pub struct Delays {
    sorted: Vec<Duration>,
}

impl Delays {
    /// Those of the events of `journal` whose commit `chosen` picks by its time. An event that arrived before its writer
    /// knew of the commit took no time.
    #[must_use]
    pub fn of(journal: &Journal, requests: &[ReceivedRequest], chosen: impl Fn(Instant) -> bool) -> Self {
        let mut first: HashMap<String, Instant> = HashMap::new();
        for request in requests {
            if let Some(event) = WrittenEvent::from_body(&request.body) {
                let at = first.entry(event.id).or_insert(request.at);
                *at = request.at.min(*at);
            }
        }
        let chosen = journal.committed_at.iter().filter(|(_, committed)| chosen(**committed));
        let delays = chosen.filter_map(|(id, committed)| Some(first.get(id)?.duration_since(*committed)));
        let mut sorted: Vec<Duration> = delays.collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// The delay that `percent` of the events do not exceed; zero where there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        let place = (self.sorted.len() * percent / 100).min(last);
        self.sorted.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| self.percentile(percent));
        write!(f, "{} events, p50 {half:.1?}, p99 {most:.1?}, longest {all:.1?}", self.sorted.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_those_of_first_arrivals_of_the_events_that_were_chosen() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let event = |number| WrittenEvent::new(0, number, "a", number);
        let request = |number, arrived| ReceivedRequest {
            method: String::new(),
            path: String::new(),
            headers: Vec::new(),
            body: event(number).body().into_bytes(),
            order: 0,
            at: at(arrived),
        };
        let mut journal = Journal::default();
        for (number, committed) in [(1, 10), (2, 20), (3, 1_000)] {
            journal.committed_at.insert(event(number).id, at(committed));
        }
        let requests = [request(1, 15), request(2, 40), request(2, 90), request(3, 1_001), request(4, 5)];
        let delays = Delays::of(&journal, &requests, |committed| committed < at(500));
        assert_eq!(delays.percentile(0), Duration::from_millis(5));
        assert_eq!(delays.percentile(99), Duration::from_millis(20));
        assert_eq!(Delays::default().percentile(99), Duration::ZERO);
    }
}
