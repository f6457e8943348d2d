//! Compares what was written with what arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use super::{Journal, Outcome, WrittenEvent};

/// One message found at a sink, in an order that keeps the sink's order per key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The body.
    pub body: Vec<u8>,
    /// The sink's own key (Kafka's record key), where it has one: must be the event's key.
    pub key: Option<String>,
    /// The idempotency key it came with.
    pub idempotency_key: String,
}

/// What was found. Lists hold the ids of events, in order; [`Report::violations`] says what must not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Different events that arrived.
    pub arrived: usize,
    /// Arrivals beyond the first, over all events.
    pub duplicates: usize,
    /// The most times that sending began again for one key.
    pub replays: usize,
    /// Committed, and not there.
    pub lost: Vec<String>,
    /// There, and rolled back or never written.
    pub phantom: Vec<String>,
    /// Bodies or keys that are not what was written.
    pub corrupted: Vec<String>,
    /// First arrivals behind a later version of their key.
    pub out_of_order: Vec<String>,
    /// Arrivals that skip a version of their key which had arrived before: a repetition with a hole.
    pub broken_replays: Vec<String>,
    /// Arrivals under another idempotency key than the first.
    pub changed_keys: Vec<String>,
}

impl Report {
    /// One line for each kind of violation, empty when exactly what was committed arrived, each key in order,
    /// every repetition whole and under the same idempotency key.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        [
            ("lost", &self.lost),
            ("phantom", &self.phantom),
            ("corrupted", &self.corrupted),
            ("out of order", &self.out_of_order),
            ("broken replay", &self.broken_replays),
            ("idempotency key changed", &self.changed_keys),
        ]
        .into_iter()
        .filter(|(_, ids)| !ids.is_empty())
        .map(|(what, ids)| format!("{what}: {} ({})", ids.len(), ids[..ids.len().min(3)].join(", ")))
        .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} arrived, {} duplicates in {} replays", self.arrived, self.duplicates, self.replays)?;
        self.violations().iter().try_for_each(|line| write!(f, "; {line}"))
    }
}

/// Compares the journal with what a sink holds.
#[must_use]
pub fn check(journal: &Journal, observed: &[Observed]) -> Report {
    let written: HashMap<&str, &(WrittenEvent, Outcome)> =
        journal.events.iter().map(|entry| (entry.0.id.as_str(), entry)).collect();
    let mut report = Report::default();
    let mut first_keys: HashMap<String, &str> = HashMap::new();
    let mut by_key: BTreeMap<String, Vec<WrittenEvent>> = BTreeMap::new();
    for message in observed {
        let Some(event) = genuine(message, &written, &mut report) else { continue };
        let first = first_keys.entry(event.id.clone()).or_insert(&message.idempotency_key);
        if *first != message.idempotency_key {
            report.changed_keys.push(event.id.clone());
        }
        by_key.entry(event.key.clone()).or_default().push(event);
    }
    report.arrived = first_keys.len();
    let lost = journal
        .events
        .iter()
        .filter(|(event, outcome)| *outcome == Outcome::Committed && !first_keys.contains_key(&event.id));
    report.lost = lost.map(|(event, _)| event.id.clone()).collect();
    for arrivals in by_key.values() {
        check_key(arrivals, &mut report);
    }
    report
}

/// The event of a message, if it was written just so and may be seen.
fn genuine(
    message: &Observed,
    written: &HashMap<&str, &(WrittenEvent, Outcome)>,
    report: &mut Report,
) -> Option<WrittenEvent> {
    let Some(event) = WrittenEvent::from_body(&message.body) else {
        report.corrupted.push(message.idempotency_key.clone());
        return None;
    };
    match written.get(event.id.as_str()) {
        None | Some((_, Outcome::RolledBack)) => {
            report.phantom.push(event.id);
            None
        }
        Some((original, _))
            if *original != event || message.key.as_ref().is_some_and(|key| *key != event.key) =>
        {
            report.corrupted.push(event.id);
            None
        }
        Some(_) => Some(event),
    }
}

/// Looks at the arrivals of one key: each goes one version forward, or back to begin a replay.
fn check_key(arrivals: &[WrittenEvent], report: &mut Report) {
    // Versions that exist: one whose transaction's outcome is unknown and that never came is no hole.
    let versions: BTreeSet<u64> = arrivals.iter().map(|event| event.version).collect();
    let mut seen = HashSet::new();
    let mut highest = 0;
    let mut previous = None;
    let mut replays = 0;
    for event in arrivals {
        let version = event.version;
        let is_new = seen.insert(version);
        if is_new && version < highest {
            report.out_of_order.push(event.id.clone());
        }
        if !is_new {
            report.duplicates += 1;
        }
        match previous {
            Some(previous) if version <= previous => replays += 1,
            Some(previous) => {
                let skipped = versions.range(previous + 1..version).any(|it| seen.contains(it));
                if skipped {
                    report.broken_replays.push(event.id.clone());
                }
            }
            None => {}
        }
        highest = highest.max(version);
        previous = Some(version);
    }
    report.replays = report.replays.max(replays);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions 1 to 6 of one key; 5 was rolled back, 6 is unknown.
    fn journal() -> Journal {
        let outcome = |version| match version {
            5 => Outcome::RolledBack,
            6 => Outcome::Unknown,
            _ => Outcome::Committed,
        };
        Journal {
            events: (1..=6).map(|version| (event(version), outcome(version))).collect(),
            ..Journal::default()
        }
    }

    fn event(version: u64) -> WrittenEvent {
        WrittenEvent::new(0, version, "order-1", version)
    }

    fn observed(versions: &[u64]) -> Vec<Observed> {
        let message = |version: &u64| Observed {
            body: event(*version).body().into_bytes(),
            key: Some("order-1".to_owned()),
            idempotency_key: format!("orders/{}/0", event(*version).id),
        };
        versions.iter().map(message).collect()
    }

    fn of(versions: &[u64]) -> Report {
        check(&journal(), &observed(versions))
    }

    #[test]
    fn exactly_what_was_committed_is_clean_with_or_without_the_unknown() {
        for versions in [&[1, 2, 3, 4][..], &[1, 2, 3, 4, 6]] {
            let report = of(versions);
            assert_eq!(report, Report { arrived: versions.len(), ..Report::default() });
            assert!(report.violations().is_empty());
        }
    }

    #[test]
    fn a_lost_event_is_found() {
        let report = of(&[1, 2, 4]);
        assert_eq!(report.lost, [event(3).id]);
        assert_eq!(report.violations().len(), 1, "{report}");
    }

    #[test]
    fn an_event_of_a_rolled_back_transaction_is_a_phantom_and_so_is_one_never_written() {
        let mut messages = observed(&[1, 2, 3, 4, 5]);
        messages.push(Observed { body: event(9).body().into_bytes(), ..messages[0].clone() });
        assert_eq!(check(&journal(), &messages).phantom, [event(5).id, event(9).id]);
    }

    #[test]
    fn a_whole_replay_is_counted_and_clean() {
        let report = of(&[1, 2, 3, 2, 3, 4]);
        assert_eq!((report.duplicates, report.replays), (2, 1));
        assert!(report.violations().is_empty(), "{report}");
        let twice = of(&[1, 2, 3, 1, 2, 2, 3, 4]);
        assert_eq!((twice.duplicates, twice.replays), (4, 2));
        assert!(twice.violations().is_empty(), "{twice}");
    }

    #[test]
    fn a_replay_with_a_hole_is_found() {
        assert_eq!(of(&[1, 2, 3, 1, 3, 4]).broken_replays, [event(3).id]);
    }

    #[test]
    fn an_overtaken_event_is_found() {
        assert_eq!(of(&[1, 3, 2, 4]).out_of_order, [event(2).id]);
    }

    #[test]
    fn a_changed_body_a_foreign_key_and_a_changed_idempotency_key_are_found() {
        let mut messages = observed(&[1, 2, 3, 4, 4]);
        messages[0].body = b"{}".to_vec();
        messages[1].key = Some("order-2".to_owned());
        messages[4].idempotency_key = "orders/other/0".to_owned();
        let report = check(&journal(), &messages);
        assert_eq!(report.corrupted, [messages[0].idempotency_key.clone(), event(2).id]);
        assert_eq!(report.changed_keys, [event(4).id]);
    }
}
