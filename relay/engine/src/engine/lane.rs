//! The lane: inputs, timers and what it is waiting for.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Jitter;
use super::circuit::Circuit;
use super::command::Command;
use super::config::{LaneConfig, LaneStatus, OnDead};
use super::keys::Keys;
use super::limits::{Amount, Tally};
use super::plan::{BatchId, EventAt, HeldBytes, HeldKey, Plan, PlannedEvent, RetryEvent};
use super::settlement::Ledger;
use super::storm::Watch;
use super::window::{Batch, Entry, State, Window};
use crate::clock::Time;
use crate::event::KeyId;
use crate::outcome::Failure;

/// Parked events fetched at a time. Each batch costs the store a question and a settlement: a hundred at a time, a
/// million parked events took more than eight minutes. A retry storm still stays small beside the main flow.
const RETRY_EVENTS: usize = 1_000;
/// Their bytes: with payloads of megabytes, the batch is a few events.
const RETRY_BYTES: u64 = 8 << 20;

/// The state machine of one lane. See the module's documentation for its rules.
#[derive(Debug)]
pub struct Lane {
    pub(super) config: LaneConfig,
    pub(super) window: Window,
    pub(super) keys: Keys,
    pub(super) ledger: Ledger,
    pub(super) tally: Tally,
    pub(super) circuit: Circuit,
    pub(super) watch: Watch,
    pub(super) jitter: Jitter,
    /// Events that may be sent, in the order in which they may.
    pub(super) ready: VecDeque<EventAt>,
    /// Whether `ready` lost its outbox order by what came back from an outage.
    pub(super) ready_unsorted: bool,
    pub(super) in_flight: usize,
    /// The event furthest in the outbox of which a message was acknowledged.
    pub(super) furthest: Option<EventAt>,
    pub(super) deliveries: u64,
    pub(super) unknown: u64,
    first_batch: BatchId,
    next_batch: BatchId,
    pub(super) unsettled_events: usize,
    pub(super) unsettled_bytes: u64,
    pub(super) fetch_at: Option<Time>,
    fetching: bool,
    pub(super) halting: Option<String>,
    pub(super) intake: Intake,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    Open,
    /// Nothing new comes in; what is in the window is finished.
    Closed,
    /// Nothing new is sent either; what was begun is finished.
    Stopping,
}

impl Lane {
    /// A lane that starts behind settled progress, with `held` events in the side table, each key once, and the
    /// `bytes` of them. `seed` makes its jitter; batches are numbered from `first_batch`, so that reports for an
    /// earlier lane object are told apart.
    #[must_use]
    pub fn new(
        config: LaneConfig,
        held: impl IntoIterator<Item = HeldKey>,
        bytes: HeldBytes,
        seed: u64,
        first_batch: BatchId,
        now: Time,
    ) -> Self {
        let held = held.into_iter();
        let mut keys = Keys::with_capacity(held.size_hint().0);
        let skips_dead = config.on_dead == OnDead::SkipAfterDeadLetter;
        let mut parked = Amount { rows: 0, bytes: bytes.parked };
        let mut dead = Amount { rows: 0, bytes: bytes.dead };
        for key in held {
            parked.rows += key.parked;
            dead.rows += key.dead;
            let blocking = if skips_dead { 0 } else { key.dead };
            keys.recorded(key.key, key.parked + blocking, blocking);
        }
        Self {
            config,
            window: Window::default(),
            keys,
            ledger: Ledger::starting(now),
            tally: Tally::new(config.limits, parked, dead),
            watch: Watch::new(config.storm),
            circuit: Circuit::Closed,
            jitter: Jitter::new(seed),
            ready: VecDeque::new(),
            ready_unsorted: false,
            in_flight: 0,
            furthest: None,
            deliveries: 0,
            unknown: 0,
            first_batch,
            next_batch: first_batch,
            unsettled_events: 0,
            unsettled_bytes: 0,
            fetch_at: (parked.rows > 0).then_some(now),
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
    pub fn batch(&mut self, now: Time, events: Vec<PlannedEvent>) -> BatchId {
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
            self.admit(now, id, &done);
        }
        id
    }

    /// Takes in parked events that are due, the answer to [`Command::FetchDue`]; `next_due` says when the next
    /// ones will be, where none is due now.
    pub fn retry(&mut self, now: Time, events: Vec<RetryEvent>, next_due: Option<Duration>) -> BatchId {
        self.fetching = false;
        // What became due while the answer was under way is not in it.
        let next_due = next_due.map(|pause| now + pause);
        self.fetch_at = [self.fetch_at, next_due].into_iter().flatten().min();
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

    /// Notes that dead letters of these keys are parked again, as an operator asked: a key once per letter.
    pub fn parked_again(&mut self, now: Time, keys: &[KeyId]) {
        for key in keys {
            self.tally.revive();
            if self.skips_dead() {
                self.keys.hold_recorded(*key);
            } else {
                self.keys.forget_dead(*key);
            }
        }
        if !keys.is_empty() {
            self.fetch_at = Some(now);
        }
    }

    /// Notes that an operator dropped dead letters of these keys: a key once per letter. What waited behind them
    /// may go on.
    pub fn dropped(&mut self, now: Time, keys: &[KeyId]) {
        for key in keys {
            self.tally.drop_dead();
            if !self.skips_dead() {
                self.keys.forget_dead(*key);
                self.keys.release(*key);
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

    /// Takes in batches again, of a new generation of plugins perhaps.
    pub fn open_intake(&mut self) {
        if self.intake == Intake::Closed {
            self.intake = Intake::Open;
            self.watch.forget();
        }
    }

    /// Sends nothing more but what stands before something acknowledged, so that all of that is settled; what is in
    /// flight is awaited. Spends no attempt.
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

    /// Whether the window can't finish for now: a storm lasts, or the side table is full. A shell that waits for it to
    /// finish, to swap plugins, starts over from settled progress instead.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.circuit.is_storm() || self.tally.full().is_some()
    }

    /// Whether the lane still needs the data of this batch.
    #[must_use]
    pub fn holds(&self, batch: BatchId) -> bool {
        self.window.get(batch).is_some()
    }

    /// Whether nothing of this outbox batch will be sent or recorded any more, its events' sequences excepted:
    /// those say how far progress has come.
    #[must_use]
    pub fn is_spent(&self, batch: BatchId) -> bool {
        !self.window.is_retry(batch) && self.window.get(batch).is_some_and(Batch::is_spent)
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

    /// Whether the sink is away, or a storm lasts.
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
            unknown: self.unknown,
            outage: self.circuit.outage().cloned(),
            full: self.tally.full(),
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
            .to_probe()
            .filter(|_| self.in_flight == 0 && self.intake != Intake::Stopping)
            .map(|outage| outage.probe_at);
        let fetch = if self.may_fetch() { self.fetch_at } else { None };
        [settle, probe, fetch].into_iter().flatten().min()
    }

    fn take_number(&mut self) -> BatchId {
        let id = self.next_batch;
        self.next_batch += 1;
        id
    }

    fn fetch(&mut self, now: Time) -> Option<Command> {
        if !self.may_fetch() || self.fetch_at.is_none_or(|at| at > now) {
            return None;
        }
        self.fetching = true;
        self.fetch_at = None;
        Some(Command::FetchDue { events: RETRY_EVENTS, bytes: RETRY_BYTES })
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
    let mut entry = Entry::new(event.key, event.bytes, event.destination, attempts);
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
