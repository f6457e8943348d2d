//! What a lane has sent lately, so that it can tell what a failover of its database took back.
//!
//! Progress says how far a lane is, not what it has sent. After a failover to a server that lagged behind, that progress
//! has gone back with everything else, and the rows that are gone can be named only by who remembers them.

use std::collections::VecDeque;

use relay_engine::event::Event;

use crate::source::{Sent, SentEvent};

/// Events remembered: more than a window holds, and at 10,000 a second a standby's lag of two seconds. They take about
/// 1.5 MB.
const REMEMBERED: usize = 20_000;

/// The newest events that were handed to the sink, over the sessions of a lane.
#[derive(Debug, Default)]
pub(super) struct SentEvents {
    batches: VecDeque<Sent>,
    events: usize,
}

impl SentEvents {
    /// Notes events read at `within`; without a place, those of a retry, which were read no later than the newest.
    pub(super) fn note<'e>(&mut self, within: Option<&str>, events: impl Iterator<Item = Event<'e>>) {
        let newest = self.batches.back().map(|batch| batch.within.as_str());
        let Some(within) = within.or(newest) else { return };
        if newest != Some(within) {
            self.batches.push_back(Sent { within: within.to_owned(), events: Vec::new() });
        }
        let Some(batch) = self.batches.back_mut() else { return };
        let before = batch.events.len();
        for event in events {
            // Several messages of one event follow each other.
            if batch.events.last().is_none_or(|last| *last.id != *event.id()) {
                batch.events.push(SentEvent { sequence: event.sequence(), id: event.id().into() });
            }
        }
        self.events += batch.events.len() - before;
        while self.batches.len() > 1 && self.events - self.oldest() >= REMEMBERED {
            self.events -= self.oldest();
            self.batches.pop_front();
        }
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> Vec<Sent> {
        self.batches.iter().cloned().collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.events
    }

    /// Forgets them: what became of them has been told.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn oldest(&self) -> usize {
        self.batches.front().map_or(0, |batch| batch.events.len())
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
        assert_eq!(all[0].events.iter().map(|it| it.sequence).collect::<Vec<_>>(), [1, 2, 7]);
    }

    #[test]
    fn the_oldest_batches_are_forgotten_beyond_what_is_remembered() {
        let mut sent = SentEvents::default();
        for batch in 0..50_u64 {
            sent.note(Some(&batch.to_string()), events(batch * 1_000..(batch + 1) * 1_000).iter());
        }
        assert_eq!(sent.len(), REMEMBERED);
        assert_eq!(sent.all()[0].events[0].sequence, 30_000);
    }
}
