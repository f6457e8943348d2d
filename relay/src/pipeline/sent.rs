//! What a lane has sent lately, so that it can tell what a failover of its database took back.
//!
//! Progress says how far a lane is, not what it has sent. After a failover to a server that lagged behind, that progress
//! has gone back with everything else, and the rows that are gone can be named only by who remembers them.

use std::collections::VecDeque;

use relay_engine::event::Event;

use crate::source::Sent;

/// Events remembered, at least: more than a window holds, and at 10,000 a second a standby's lag of two seconds. They
/// take about 1.2 MB.
const REMEMBERED: usize = 20_000;

/// Events are forgotten in parts of this size: a large backlog is read at one place, and so would be one part.
const PART: usize = 1_000;

/// The newest events that were handed to the sink, over the sessions of a lane.
#[derive(Debug, Default)]
pub(super) struct SentEvents {
    parts: VecDeque<Sent>,
    events: usize,
}

impl SentEvents {
    /// Notes events read at `within`; without a place, those of a retry, which were read no later than the newest.
    pub(super) fn note<'e>(&mut self, within: Option<&str>, events: impl Iterator<Item = Event<'e>>) {
        let mut events = events.peekable();
        while events.peek().is_some() {
            let Some(part) = self.part(within) else { return };
            let before = part.count();
            for event in events.by_ref().take(PART) {
                part.note(event.sequence(), event.id());
            }
            self.events += part.count() - before;
        }
        while self.parts.front().is_some_and(|oldest| self.events - oldest.count() >= REMEMBERED) {
            self.events -= self.parts.pop_front().map_or(0, |oldest| oldest.count());
        }
    }

    /// Where to note what was read at `within`: the newest part, or a new one.
    fn part(&mut self, within: Option<&str>) -> Option<&mut Sent> {
        let newest = self.parts.back();
        let within = within.or(newest.map(Sent::within))?;
        if newest.is_none_or(|newest| newest.within() != within || newest.count() >= PART) {
            let part = Sent::new(within);
            self.parts.push_back(part);
        }
        self.parts.back_mut()
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> Vec<Sent> {
        self.parts.iter().cloned().collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.events
    }

    /// Forgets them: what became of them has been told.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use relay_engine::event::{EventBatch, EventFields};

    use super::*;

    fn events(sequences: std::ops::Range<u64>) -> EventBatch {
        let mut batch = EventBatch::default();
        for sequence in sequences {
            let fields = EventFields { id: &format!("id-{sequence}"), sequence, ..EventFields::default() };
            batch.push(&fields).unwrap();
        }
        batch
    }

    #[test]
    fn an_event_with_several_messages_is_noted_once_and_a_retry_where_reading_stood() {
        let mut sent = SentEvents::default();
        sent.note(None, events(1..2).iter());
        assert_eq!(sent.len(), 0, "nothing was read in this life of the relay");
        let batch = events(1..3);
        sent.note(Some("here"), batch.iter().flat_map(|event| [event, event]));
        sent.note(None, events(7..8).iter());
        let all = sent.all();
        assert_eq!((all.len(), sent.len()), (1, 3), "{all:?}");
        let noted: Vec<_> = all[0].events().map(|it| (it.sequence, it.id.into_string())).collect();
        assert_eq!(noted, [1, 2, 7].map(|it| (it, format!("id-{it}"))));
    }

    #[test]
    fn the_oldest_are_forgotten_beyond_what_is_remembered_also_where_all_were_read_at_one_place() {
        for place in [|batch: u64| batch.to_string(), |_| "one large delta".to_owned()] {
            let mut sent = SentEvents::default();
            for batch in 0..50_u64 {
                sent.note(Some(&place(batch)), events(batch * 1_500..(batch + 1) * 1_500).iter());
            }
            let all: Vec<u64> =
                sent.all().iter().flat_map(|part| part.events().map(|it| it.sequence)).collect();
            assert_eq!(all.len(), sent.len());
            assert!((REMEMBERED..REMEMBERED + 2 * PART).contains(&all.len()), "{}", all.len());
            assert_eq!(all.last(), Some(&74_999));
            assert!(all.is_sorted());
        }
    }
}
