//! The lane: inputs, timers and what it is waiting for.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::backoff::{Jitter, RetryPolicy};
use super::circuit::Circuit;
pub use super::circuit::Outage;
use super::command::{Command, RetryResult};
use super::keys::Keys;
use super::plan::{BatchId, EventAt, Plan, PlannedEvent, RetryEvent};
use super::settlement::{Ledger, Recording};
use super::window::{Batch, Entry, State, Window};
use crate::clock::Time;
use crate::event::KeyId;
use crate::outcome::Failure;

/// What a dead letter means for later events of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDead {
    /// They wait until an operator acts.
    Block,
    /// They go on.
    SkipAfterDeadLetter,
}

/// How a lane behaves.
#[derive(Debug, Clone, Copy)]
pub struct LaneConfig {
    /// The sink stores a prefix of what it was sent, per key: several events of a key may be in flight.
    pub ordered_prefix: bool,
    /// Events between settled progress and the newest read, at which reading pauses.
    pub window_events: usize,
    /// Bytes of the same.
    pub window_bytes: u64,
    /// Messages handed to the sink and unanswered, at most.
    pub in_flight: usize,
    /// When failed events are tried again.
    pub retry: RetryPolicy,
    /// What a dead letter means for its key.
    pub on_dead: OnDead,
    /// The longest time that progress stays unrecorded.
    pub settle_every: Duration,
}

/// Parked events fetched at a time: a retry storm stays small beside the main flow.
const RETRY_BATCH: usize = 100;

/// The state machine of one lane. See the module's documentation for its rules.
#[derive(Debug)]
pub struct Lane {
    pub(super) config: LaneConfig,
    pub(super) window: Window,
    pub(super) keys: Keys,
    pub(super) ledger: Ledger,
    pub(super) circuit: Circuit,
    pub(super) jitter: Jitter,
    /// Events that may be sent, in the order in which they may.
    pub(super) ready: VecDeque<EventAt>,
    /// Whether `ready` lost its outbox order by what came back from an outage.
    pub(super) ready_unsorted: bool,
    pub(super) in_flight: usize,
    pub(super) deliveries: u64,
    first_batch: BatchId,
    next_batch: BatchId,
    unsettled_events: usize,
    unsettled_bytes: u64,
    fetch_at: Option<Time>,
    fetching: bool,
    halting: Option<String>,
    intake: Intake,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    Open,
    /// Nothing new comes in; what is in the window is finished.
    Closed,
    /// Nothing new is sent either; only what is in flight is awaited.
    Stopping,
}

/// Figures of a lane for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// Events between settled progress and the newest read.
    pub window: usize,
    /// Messages handed to the sink and unanswered.
    pub in_flight: usize,
    /// Parked, blocked and (where they block) dead events.
    pub held: u64,
    /// Deliveries acknowledged since this lane object was made.
    pub deliveries: u64,
    /// The outage, while there is one.
    pub outage: Option<Outage>,
}

impl Lane {
    /// A lane that starts behind settled progress, with `held` events per key in the side table (dead ones
    /// only where they block). `seed` makes its jitter; batches are numbered from `first_batch`, so that
    /// reports for an earlier lane object are told apart.
    #[must_use]
    pub fn new(
        config: LaneConfig,
        held: &[(KeyId, u64)],
        seed: u64,
        first_batch: BatchId,
        now: Time,
    ) -> Self {
        let mut keys = Keys::default();
        for (key, count) in held {
            keys.hold(*key, *count);
        }
        let recorded: HashMap<_, _> = held.iter().copied().collect();
        Self {
            config,
            window: Window::default(),
            keys,
            ledger: Ledger::starting_with(recorded, now),
            circuit: Circuit::Closed,
            jitter: Jitter::new(seed),
            ready: VecDeque::new(),
            ready_unsorted: false,
            in_flight: 0,
            deliveries: 0,
            first_batch,
            next_batch: first_batch,
            unsettled_events: 0,
            unsettled_bytes: 0,
            fetch_at: (!held.is_empty()).then_some(now),
            fetching: false,
            halting: None,
            intake: Intake::Open,
        }
    }

    /// Whether there is room for another batch.
    #[must_use]
    pub fn wants_batch(&self) -> bool {
        self.intake == Intake::Open
            && self.halting.is_none()
            && self.unsettled_events < self.config.window_events
            && self.unsettled_bytes < self.config.window_bytes
    }

    /// Takes in the next events of the outbox; returns the number that reports must name.
    pub fn batch(&mut self, events: Vec<PlannedEvent>) -> BatchId {
        let id = self.take_number();
        let mut batch = Batch::new(id, events.len());
        let mut done = Vec::new();
        for event in events {
            if let Plan::Halt(reason) = event.plan {
                self.halting = Some(reason);
                break;
            }
            self.unsettled_events += 1;
            self.unsettled_bytes += u64::from(event.bytes);
            if let Some(at) = push_planned(&mut batch, event, 0) {
                done.push(at);
            }
        }
        if !batch.events.is_empty() {
            self.window.push_outbox(batch);
            self.admit(id, &done);
        }
        id
    }

    /// Takes in parked events that are due, the answer to [`Command::FetchDue`]; `next_due` says when the next
    /// ones will be, where none is due now.
    pub fn retry(&mut self, now: Time, events: Vec<RetryEvent>, next_due: Option<Duration>) -> BatchId {
        self.fetching = false;
        self.fetch_at = next_due.map(|pause| now + pause);
        let id = self.take_number();
        if events.is_empty() {
            return id;
        }
        self.fetch_at = Some(now);
        let mut batch = Batch::new(id, events.len());
        let mut done = Vec::new();
        for event in events {
            let delivered = event.delivered;
            let index = u32::try_from(batch.events.len()).unwrap_or(u32::MAX);
            if let Plan::Halt(reason) = event.planned.plan {
                let failure = Failure::new(crate::outcome::FailureClass::Retryable, "P162", reason);
                let planned = PlannedEvent { plan: Plan::Fail(failure), ..event.planned };
                push_planned(&mut batch, planned, event.attempts);
            } else if let Some(at) = push_planned(&mut batch, event.planned, event.attempts) {
                done.push(at);
            }
            batch.mark_delivered_before(index, &delivered);
        }
        self.ledger.expect_retries(id, batch.events.len());
        self.window.push_retry(batch);
        self.admit_retry(id, &done);
        id
    }

    /// Notes that dead letters of these keys are parked again, as an operator asked.
    pub fn parked_again(&mut self, now: Time, keys: &[KeyId]) {
        if self.config.on_dead == OnDead::SkipAfterDeadLetter {
            for key in keys {
                self.keys.hold(*key, 1);
                self.ledger.record_again(*key);
            }
        }
        if !keys.is_empty() {
            self.fetch_at = Some(now);
        }
    }

    /// Notes that an operator dropped a dead letter of each of these keys: one dropped twice is named twice. What
    /// waited behind it may go on.
    pub fn dropped(&mut self, now: Time, keys: &[KeyId]) {
        if self.config.on_dead != OnDead::SkipAfterDeadLetter {
            for key in keys {
                self.keys.release(*key);
                self.ledger.forget(*key);
            }
        }
        if !keys.is_empty() {
            self.fetch_at = Some(now);
        }
    }

    /// Stops taking in batches and due retries; everything in the window is still finished. Undone by
    /// [`Lane::open_intake`].
    pub fn close_intake(&mut self) {
        if self.intake == Intake::Open {
            self.intake = Intake::Closed;
        }
    }

    /// Takes in batches again.
    pub fn open_intake(&mut self) {
        if self.intake == Intake::Closed {
            self.intake = Intake::Open;
        }
    }

    /// Sends nothing more; what is in flight is awaited and settled. Spends no attempt.
    pub fn stop(&mut self) {
        self.intake = Intake::Stopping;
    }

    /// Whether nothing is under way: the window is settled, or stopping and all that can be recorded is.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let recorded = !self.ledger.has_pending() && !self.ledger.is_recording();
        let finished = !self.window.has_outbox() && !self.window.has_retries() && !self.fetching;
        recorded && self.in_flight == 0 && (finished || self.intake == Intake::Stopping)
    }

    /// Whether the lane still needs the data of this batch.
    #[must_use]
    pub fn holds(&self, batch: BatchId) -> bool {
        self.window.get(batch).is_some()
    }

    /// The number its first batch got, or will get.
    #[must_use]
    pub fn first_batch(&self) -> BatchId {
        self.first_batch
    }

    /// The number its next batch will get.
    #[must_use]
    pub fn next_batch(&self) -> BatchId {
        self.next_batch
    }

    /// Whether the sink is away.
    #[must_use]
    pub fn is_away(&self) -> bool {
        !self.circuit.is_closed()
    }

    /// Figures for operators.
    #[must_use]
    pub fn status(&self) -> LaneStatus {
        LaneStatus {
            window: self.unsettled_events,
            in_flight: self.in_flight,
            held: self.keys.held(),
            deliveries: self.deliveries,
            outage: self.circuit.outage().cloned(),
        }
    }

    /// The next thing to do, until there is none for now.
    pub fn poll(&mut self, now: Time) -> Option<Command> {
        self.dispatch()
            .or_else(|| self.probe(now))
            .or_else(|| self.settle(now))
            .or_else(|| self.fetch(now))
            .or_else(|| self.halt())
    }

    /// When [`Lane::poll`] may have something to do although nothing came in.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Time> {
        let settle = (self.ledger.has_pending() && !self.ledger.is_recording())
            .then(|| self.ledger.last() + self.config.settle_every);
        let probe = self
            .circuit
            .outage()
            .filter(|outage| !outage.probing && self.in_flight == 0 && self.intake != Intake::Stopping)
            .map(|outage| outage.probe_at);
        let fetch = if self.may_fetch() { self.fetch_at } else { None };
        [settle, probe, fetch].into_iter().flatten().min()
    }

    /// Notes that the settlement handed out last is durable.
    pub fn settled(&mut self, now: Time) {
        let Some(recording) = self.ledger.finish() else { return };
        if let Some(progress) = recording.progress {
            let (events, bytes) = self.window.release_through(progress.through);
            self.unsettled_events -= events;
            self.unsettled_bytes -= bytes;
        }
        for at in recording.retried {
            if self.ledger.retry_recorded(at.batch) {
                self.window.release_retry(at.batch);
            }
        }
        for key in recording.released {
            self.keys.release(key);
            self.ledger.forget(key);
        }
        let parked = recording.parked_for.map(|pause| now + pause);
        let due = if recording.may_be_due { Some(now) } else { parked };
        self.fetch_at = [self.fetch_at, due].into_iter().flatten().min();
    }

    fn take_number(&mut self) -> BatchId {
        let id = self.next_batch;
        self.next_batch += 1;
        id
    }

    fn settle(&mut self, now: Time) -> Option<Command> {
        if self.ledger.is_recording() {
            return None;
        }
        self.ledger.advance(&self.window, self.skips_dead());
        // Reading must not stop for want of a settlement.
        let half_full = self.ledger.pending_events() * 2 >= self.config.window_events
            || self.unsettled_bytes >= self.config.window_bytes;
        let waits_for_it = self.intake != Intake::Open || self.halting.is_some() || half_full;
        let due = now >= self.ledger.last() + self.config.settle_every;
        if !self.ledger.has_pending() || !(self.ledger.is_urgent() || waits_for_it || due) {
            return None;
        }
        let recording = self.recording();
        Some(Command::Settle(self.ledger.begin(now, recording)))
    }

    fn recording(&self) -> Recording {
        use super::command::HeldState::{Blocked, Dead, Parked};
        let pending = &self.ledger.pending;
        let mut recording = Recording {
            progress: pending.progress,
            retried: pending.retried.iter().map(|retried| retried.at).collect(),
            released: Vec::new(),
            may_be_due: pending.held.iter().any(|held| held.state == Blocked),
            parked_for: None,
        };
        let mut parked = |state| {
            if let Parked { after } = state {
                recording.parked_for = Some(recording.parked_for.map_or(after, |it| it.min(after)));
            }
        };
        pending.held.iter().for_each(|held| parked(held.state));
        for retried in &pending.retried {
            let leaves = match &retried.result {
                RetryResult::Done => true,
                RetryResult::Held { state, .. } => {
                    parked(*state);
                    *state == Dead && self.skips_dead()
                }
            };
            let entry =
                self.window.get(retried.at.batch).and_then(|it| it.events.get(retried.at.event as usize));
            if let Some(entry) = entry.filter(|_| leaves) {
                recording.released.push(entry.key);
                recording.may_be_due = true;
            }
        }
        recording
    }

    fn fetch(&mut self, now: Time) -> Option<Command> {
        if !self.may_fetch() || self.fetch_at.is_none_or(|at| at > now) {
            return None;
        }
        self.fetching = true;
        Some(Command::FetchDue { limit: RETRY_BATCH })
    }

    /// One batch of retries at a time: the next fetch must not find the same events again.
    fn may_fetch(&self) -> bool {
        self.intake == Intake::Open
            && !self.fetching
            && !self.window.has_retries()
            && self.circuit.is_closed()
            && self.halting.is_none()
    }

    fn halt(&mut self) -> Option<Command> {
        let settled = !self.window.has_outbox() && !self.ledger.has_pending() && !self.ledger.is_recording();
        if settled { self.halting.take().map(Command::Halted) } else { None }
    }

    pub(super) fn may_send(&self) -> bool {
        self.intake != Intake::Stopping
    }

    pub(super) fn skips_dead(&self) -> bool {
        self.config.on_dead == OnDead::SkipAfterDeadLetter
    }
}

/// Adds a planned event; returns where, when it needs no sending and nothing went wrong.
fn push_planned(batch: &mut Batch, event: PlannedEvent, attempts: u32) -> Option<EventAt> {
    let mut entry = Entry::new(event.key, event.bytes, attempts);
    match event.plan {
        Plan::Send { messages } => {
            batch.push(entry, messages);
            None
        }
        Plan::Done | Plan::Halt(_) => {
            entry.state = State::Discarded;
            Some(batch.push(entry, 0))
        }
        Plan::Fail(failure) => {
            entry.failure = Some(Box::new(failure));
            batch.push(entry, 0);
            None
        }
    }
}
