//! What was handed to the producer and is not answered yet.
//!
//! The producer carries one number with each message (where its batch is noted, and its index), so nothing is
//! allocated per message, and a batch is reported once, when the last of it was answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use relay_engine::outcome::Failure;
use tokio::sync::Notify;

use super::classify::BATCH_TOO_LARGE;
use crate::sink::{Report, Reports};

/// Keys and bodies that may be on their way at once, in bytes; the lane's window bounds the count.
const OUTSTANDING_BYTES: usize = 32 * 1024 * 1024;
/// A full ledger wakes its writer only at this level: at each answer it would wake for one message at a time.
const RESUME_BYTES: usize = OUTSTANDING_BYTES / 4 * 3;

const INDEX_BITS: u32 = 32;
const _: () = assert!(usize::BITS >= 64, "a ticket holds a slot and an index of 32 bits each");

/// Names one message to the producer: the slot of its batch, and its index in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(pub(super) usize);

impl Ticket {
    fn new(slot: usize, index: u32) -> Self {
        Self(slot << INDEX_BITS | index as usize)
    }

    fn slot(self) -> usize {
        self.0 >> INDEX_BITS
    }

    fn index(self) -> u32 {
        (self.0 & u32::MAX as usize) as u32
    }
}

/// What became of one message.
#[derive(Debug)]
pub(super) enum Answer {
    /// Acknowledged by the broker.
    Delivered,
    /// Failed after the producer had taken it: what is queued behind it must not be sent.
    Failed(Failure),
    /// Refused before the producer took it: what the producer holds is ahead of it and may be sent.
    NotSent(Failure),
}

/// Why nothing more is taken.
#[derive(Debug)]
struct Break {
    cause: Failure,
    /// Whether the producer may hold messages that are behind the failure.
    producer_is_spent: bool,
}

/// What was learnt between two openings of the sink.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// How many messages shared the fate of a request that was refused for its size.
    pub(super) suspects: usize,
    /// A topic that did not exist.
    pub(super) missing_topic: Option<String>,
}

/// A batch of which something is unanswered.
#[derive(Debug)]
struct Tracker {
    batch_id: u64,
    indexes: Vec<u32>,
    unanswered: usize,
    failed: HashMap<u32, Failure>,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Option<Tracker>>,
    free: Vec<usize>,
    unanswered: usize,
    broken: Option<Break>,
    lessons: Lessons,
    /// The client waits for its brokers by itself; nothing was answered since.
    away: Option<Failure>,
}

impl State {
    fn break_with(&mut self, cause: &Failure, producer_is_spent: bool) {
        let first = || Break { cause: cause.clone(), producer_is_spent: false };
        self.broken.get_or_insert_with(first).producer_is_spent |= producer_is_spent;
    }
}

/// Everything unanswered of one sink, over all its producers.
#[derive(Debug)]
pub(super) struct Ledger {
    state: Mutex<State>,
    /// Mirrors `State::broken`, for a look at each message without the lock.
    is_broken: AtomicBool,
    bytes: AtomicUsize,
    waiting_for_room: AtomicBool,
    changed: Notify,
    reports: Reports,
}

impl Ledger {
    pub(super) fn new(reports: Reports) -> Self {
        Self {
            state: Mutex::default(),
            is_broken: AtomicBool::new(false),
            bytes: AtomicUsize::new(0),
            waiting_for_room: AtomicBool::new(false),
            changed: Notify::new(),
            reports,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that no broker can be reached. The client goes on by itself once one can.
    pub(super) fn lose_brokers(&self, failure: Failure) {
        self.state().away = Some(failure);
    }

    /// Why nothing is answered, where that is so: the brokers were lost, and messages wait for them.
    pub(super) fn away(&self) -> Option<Failure> {
        let state = self.state();
        state.away.clone().filter(|_| state.unanswered > 0)
    }

    /// Notes the messages at `indexes` as unanswered, and returns the slot their tickets are made of.
    pub(super) fn register(&self, batch_id: u64, indexes: Vec<u32>) -> usize {
        let mut state = self.state();
        state.unanswered += indexes.len();
        let tracker = Tracker { batch_id, unanswered: indexes.len(), indexes, failed: HashMap::new() };
        match state.free.pop() {
            Some(slot) => {
                state.slots[slot] = Some(tracker);
                slot
            }
            None => {
                state.slots.push(Some(tracker));
                state.slots.len() - 1
            }
        }
    }

    /// The ticket of the message at `index` of the batch at `slot`.
    pub(super) fn ticket(slot: usize, index: u32) -> Ticket {
        Ticket::new(slot, index)
    }

    /// Notes an answer; reports the batch when it was the last one. A failure breaks the pipe.
    pub(super) fn answer(&self, ticket: Ticket, answer: Answer) {
        let mut state = self.state();
        let (failure, producer_is_spent) = match answer {
            Answer::Delivered => {
                state.away = None;
                (None, false)
            }
            Answer::Failed(failure) => (Some(failure), true),
            Answer::NotSent(failure) => (Some(failure), false),
        };
        if let Some(failure) = &failure {
            state.break_with(failure, producer_is_spent);
            state.lessons.suspects += usize::from(failure.code == BATCH_TOO_LARGE);
            self.is_broken.store(true, Ordering::Release);
        }
        let Some(tracker) = state.slots.get_mut(ticket.slot()).and_then(Option::as_mut) else { return };
        if let Some(failure) = failure {
            tracker.failed.insert(ticket.index(), failure);
        }
        tracker.unanswered -= 1;
        let complete = tracker.unanswered == 0;
        state.unanswered -= 1;
        let idle = state.unanswered == 0;
        let report = if complete { Self::take(&mut state, ticket.slot()) } else { None };
        drop(state);
        if let Some(report) = report {
            // A lane that went away needs no report.
            let _ = self.reports.send(report);
        }
        if idle {
            self.changed.notify_one();
        }
    }

    fn take(state: &mut State, slot: usize) -> Option<Report> {
        let tracker = state.slots.get_mut(slot)?.take()?;
        state.free.push(slot);
        let Tracker { batch_id, mut indexes, mut failed, .. } = tracker;
        let mut failures = Vec::with_capacity(failed.len());
        if !failed.is_empty() {
            indexes.retain(|index| match failed.remove(index) {
                Some(failure) => {
                    failures.push((*index, failure));
                    false
                }
                None => true,
            });
        }
        Some(Report { batch_id, delivered: indexes, failed: failures })
    }

    /// Answers everything unanswered with `failure`, after the producer is gone.
    pub(super) fn fail_rest(&self, failure: &Failure) {
        let mut state = self.state();
        state.unanswered = 0;
        let mut reports = Vec::new();
        for slot in 0..state.slots.len() {
            let Some(tracker) = state.slots[slot].as_mut() else { continue };
            // Which of a half-answered batch was delivered is not noted by index: what did not fail is unknown.
            let open: Vec<u32> =
                tracker.indexes.iter().copied().filter(|index| !tracker.failed.contains_key(index)).collect();
            tracker.failed.extend(open.into_iter().map(|index| (index, failure.clone())));
            reports.extend(Self::take(&mut state, slot));
        }
        drop(state);
        for report in reports {
            let _ = self.reports.send(report);
        }
        self.changed.notify_one();
    }

    /// What broke the pipe, if it is broken.
    pub(super) fn broken(&self) -> Option<Failure> {
        if !self.is_broken.load(Ordering::Acquire) {
            return None;
        }
        self.state().broken.as_ref().map(|it| it.cause.clone())
    }

    /// Whether the producer has to be replaced before anything more is sent.
    pub(super) fn producer_is_spent(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
            && self.state().broken.as_ref().is_some_and(|it| it.producer_is_spent)
    }

    /// Breaks the pipe for a failure of the producer itself.
    pub(super) fn break_producer(&self, cause: &Failure) {
        self.state().break_with(cause, true);
        self.is_broken.store(true, Ordering::Release);
    }

    /// Notes a topic that does not exist, so that the next opening looks for it.
    pub(super) fn note_missing_topic(&self, topic: &str) {
        self.state().lessons.missing_topic.get_or_insert_with(|| topic.to_owned());
    }

    /// Makes the pipe whole again and returns what was learnt since the last time.
    pub(super) fn mend(&self) -> Lessons {
        let mut state = self.state();
        state.broken = None;
        self.is_broken.store(false, Ordering::Release);
        std::mem::take(&mut state.lessons)
    }

    /// How many messages are unanswered.
    pub(super) fn unanswered(&self) -> usize {
        self.state().unanswered
    }

    /// Counts the bytes of a message that goes to the producer, after waiting for room.
    pub(super) async fn make_room(&self, bytes: usize) {
        let held = self.bytes.load(Ordering::Relaxed);
        if held != 0 && held + bytes > OUTSTANDING_BYTES {
            self.wait_for_room().await;
        }
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    async fn wait_for_room(&self) {
        loop {
            // Announced before the level is read, as the other side lowers the level before it looks: one of
            // the two sees the other.
            self.waiting_for_room.store(true, Ordering::SeqCst);
            if self.bytes.load(Ordering::SeqCst) <= RESUME_BYTES {
                break;
            }
            self.changed.notified().await;
        }
        self.waiting_for_room.store(false, Ordering::SeqCst);
    }

    /// Gives back the bytes of a message that the producer is done with.
    pub(super) fn free(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        if before.saturating_sub(bytes) <= RESUME_BYTES && self.waiting_for_room.load(Ordering::SeqCst) {
            self.changed.notify_one();
        }
    }

    /// Waits until nothing is unanswered.
    pub(super) async fn idle(&self) {
        while self.unanswered() > 0 {
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::kafka::classify;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn a_batch_is_reported_once_when_the_last_of_it_is_answered() {
        let (reports, mut received) = unbounded_channel();
        let ledger = Ledger::new(reports);
        let slot = ledger.register(7, vec![3, 4, 9]);
        ledger.answer(Ledger::ticket(slot, 9), Answer::Delivered);
        ledger.answer(Ledger::ticket(slot, 4), Answer::Failed(classify::unknown("lost")));
        assert!(received.try_recv().is_err());
        assert_eq!(ledger.unanswered(), 1);
        ledger.answer(Ledger::ticket(slot, 3), Answer::Delivered);
        let report = received.try_recv().unwrap();
        assert_eq!((report.batch_id, report.delivered), (7, vec![3, 9]));
        assert_eq!(report.failed, [(4, classify::unknown("lost"))]);
        assert!(received.try_recv().is_err());
        assert_eq!(ledger.broken(), Some(classify::unknown("lost")));
    }

    #[test]
    fn lost_brokers_are_away_while_something_waits_for_them_and_until_something_is_answered() {
        let (reports, _received) = unbounded_channel();
        let ledger = Ledger::new(reports);
        ledger.lose_brokers(classify::unknown("down"));
        assert_eq!(ledger.away(), None, "nobody misses them");
        let slot = ledger.register(7, vec![0, 1]);
        assert_eq!(ledger.away(), Some(classify::unknown("down")));
        ledger.answer(Ledger::ticket(slot, 0), Answer::Delivered);
        assert_eq!(ledger.away(), None, "they are back, though one is unanswered");
    }

    #[test]
    fn slots_are_used_again_and_a_late_answer_of_no_batch_changes_nothing() {
        let (reports, mut received) = unbounded_channel();
        let ledger = Ledger::new(reports);
        let first = ledger.register(1, vec![0]);
        ledger.answer(Ledger::ticket(first, 0), Answer::Delivered);
        ledger.answer(Ledger::ticket(first, 0), Answer::Delivered);
        let second = ledger.register(2, vec![0]);
        assert_eq!(first, second);
        ledger.answer(Ledger::ticket(second, 0), Answer::Delivered);
        let ids: Vec<u64> = std::iter::from_fn(|| received.try_recv().ok()).map(|it| it.batch_id).collect();
        assert_eq!(ids, [1, 2]);
        assert_eq!(ledger.unanswered(), 0);
    }

    #[test]
    fn what_is_left_is_reported_when_the_producer_is_gone() {
        let (reports, mut received) = unbounded_channel();
        let ledger = Ledger::new(reports);
        ledger.register(1, vec![0, 1]);
        ledger.fail_rest(&classify::unknown("closed"));
        let report = received.try_recv().unwrap();
        assert!(report.delivered.is_empty());
        assert_eq!(report.failed.len(), 2);
        assert_eq!(ledger.unanswered(), 0);
    }

    #[tokio::test]
    async fn a_writer_waits_for_room_and_a_single_large_message_always_fits() {
        let (reports, _received) = unbounded_channel();
        let ledger = std::sync::Arc::new(Ledger::new(reports));
        ledger.make_room(OUTSTANDING_BYTES * 2).await;
        let writer = std::sync::Arc::clone(&ledger);
        let mut second = Box::pin(async move { writer.make_room(1).await });
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        ledger.free(OUTSTANDING_BYTES * 2);
        second.await;
    }
}
