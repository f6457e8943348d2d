//! A model outbox, sink and store around the real lane.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use relay_engine::clock::Time;
use relay_engine::engine::{
    BatchId, Command, HeldState, Lane, LaneConfig, OnDead, Plan, PlannedEvent, RetryEvent, RetryPolicy,
    RetryResult, SettlePlan,
};
use relay_engine::event::KeyId;
use relay_engine::outcome::{Failure, FailureClass};

use crate::checker::Observed;

const EVENTS: usize = 60;
const KEYS: u64 = 5;
const ATTEMPTS: u32 = 3;
const STEPS: usize = 6_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) ordered_prefix: bool,
    pub(crate) on_dead: OnDead,
    pub(crate) outages: bool,
    pub(crate) lost_answers: bool,
    pub(crate) crashes: bool,
    pub(crate) poison: bool,
}

/// A bug planted between the engine and the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    SettleBeforeAcknowledgement,
    ForgetHeld,
    ChargeOutage,
    IgnoreHeldKeys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Good,
    /// Fails this many times, then passes.
    Flaky(u32),
    /// Always fails by its own fault.
    Poison,
    /// Discarded by a plugin.
    Discarded,
    /// Its plugin rejects it.
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Parked(Time),
    Blocked,
    Dead,
}

#[derive(Debug, Clone)]
struct HeldRow {
    state: Row,
    attempts: u32,
    /// Faults of the event itself that the model has seen, to compare with `attempts`.
    messages: u32,
    delivered: Vec<u32>,
}

#[derive(Debug)]
struct Store {
    settled: usize,
    held: BTreeMap<usize, HeldRow>,
    done: u64,
}

struct InFlight {
    batch: BatchId,
    message: u32,
    event: usize,
    slot: u32,
}

pub(crate) struct World {
    faults: Faults,
    mutation: Mutation,
    random: u64,
    now: Time,
    nature: Vec<Nature>,
    key: Vec<u64>,
    messages: Vec<u32>,
    own_faults: Vec<u32>,
    read: usize,
    store: Store,
    observed: Observed,
    slots_stored: HashMap<(usize, u32), u32>,
    lane: Lane,
    next_batch: BatchId,
    batches: HashMap<BatchId, Vec<(usize, u32)>>,
    events_of: HashMap<BatchId, Vec<usize>>,
    in_flight: Vec<InFlight>,
    settling: Option<SettlePlan>,
    sink_up: bool,
    healing: bool,
    trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults, mutation: Mutation) -> Self {
        let mut world = Self {
            faults,
            mutation,
            random: seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9,
            now: Time(1_000_000),
            nature: Vec::new(),
            key: Vec::new(),
            messages: Vec::new(),
            own_faults: vec![0; EVENTS],
            read: 0,
            store: Store { settled: 0, held: BTreeMap::new(), done: 0 },
            observed: Observed::default(),
            slots_stored: HashMap::new(),
            lane: Lane::new(config(faults), &[], seed, 1, Time(1_000_000)),
            next_batch: 1,
            batches: HashMap::new(),
            events_of: HashMap::new(),
            in_flight: Vec::new(),
            settling: None,
            sink_up: true,
            healing: false,
            trace: std::env::var("RELAY_SEED").is_ok(),
        };
        for _ in 0..EVENTS {
            let key = world.below(KEYS);
            let messages = 1 + u32::try_from(world.below(6) / 5).unwrap();
            let nature = world.draw_nature();
            world.key.push(key);
            world.messages.push(messages);
            world.nature.push(nature);
        }
        world
    }

    pub(crate) fn run(mut self) -> Result<(), String> {
        for step in 0..STEPS {
            self.healing = step > STEPS / 2;
            if self.healing {
                self.sink_up = true;
            }
            self.step()?;
            self.drain_commands()?;
            self.check_held()?;
            if self.healing && self.is_finished() {
                return self.check_end();
            }
        }
        Err(format!(
            "liveness: settled {} of {EVENTS}, held {:?}, in flight {}, {:?}",
            self.store.settled,
            self.store.held,
            self.in_flight.len(),
            self.lane.status()
        ))
    }

    fn step(&mut self) -> Result<(), String> {
        let passed = 1 + self.below(30_000);
        self.now = Time(self.now.0 + passed);
        match self.below(20) {
            0..=4 => self.read_some(),
            5..=12 => self.answer_some()?,
            13..=15 => self.finish_settlement(false)?,
            16 if self.faults.outages && !self.healing => {
                self.sink_up = !self.sink_up;
                self.note(|world| format!("sink up: {}", world.sink_up));
            }
            17 if self.faults.crashes && !self.healing && self.below(8) == 0 => self.crash()?,
            _ => {}
        }
        Ok(())
    }

    fn read_some(&mut self) {
        if !self.lane.wants_batch() || self.read >= EVENTS {
            return;
        }
        let count = (1 + usize::try_from(self.below(8)).unwrap()).min(EVENTS - self.read);
        let events: Vec<_> = (self.read..self.read + count).collect();
        self.read += count;
        let planned = events.iter().map(|event| self.plan(*event)).collect();
        let id = self.lane.batch(planned);
        self.note(|_| format!("batch {id}: {events:?}"));
        self.remember(id, events);
    }

    fn plan(&self, event: usize) -> PlannedEvent {
        let plan = match self.nature[event] {
            Nature::Discarded => Plan::Done,
            Nature::Rejected => Plan::Fail(Failure::new(FailureClass::Permanent, "P110", "rejected")),
            _ => Plan::Send { messages: self.messages[event] },
        };
        PlannedEvent { key: KeyId(u128::from(self.key[event])), bytes: 10, plan }
    }

    fn remember(&mut self, id: BatchId, events: Vec<usize>) {
        self.next_batch = id + 1;
        let sends = |event: &usize| !matches!(self.nature[*event], Nature::Discarded | Nature::Rejected);
        let messages = events
            .iter()
            .filter(|event| sends(event))
            .flat_map(|event| (0..self.messages[*event]).map(|slot| (*event, slot)))
            .collect();
        self.batches.insert(id, messages);
        self.events_of.insert(id, events);
    }

    fn drain_commands(&mut self) -> Result<(), String> {
        while let Some(command) = self.lane.poll(self.now) {
            match command {
                Command::Send { batch, messages } => self.send(batch, &messages)?,
                Command::Probe { batch, message } => self.send(batch, &[message])?,
                Command::Settle(plan) => {
                    self.settling = Some(plan);
                    if self.mutation == Mutation::SettleBeforeAcknowledgement && self.below(4) == 0 {
                        self.store.settled = self.read;
                    }
                }
                Command::Reopen if self.sink_up => self.lane.sink_opened(),
                Command::Reopen => {
                    let failure = Failure::new(FailureClass::Unavailable, "S200", "down");
                    self.lane.sink_failed(self.now, failure);
                }
                Command::FetchDue { limit } => self.fetch(limit),
                Command::Halted(reason) => return Err(format!("halted: {reason}")),
            }
        }
        Ok(())
    }

    fn send(&mut self, batch: BatchId, messages: &[u32]) -> Result<(), String> {
        self.note(|_| format!("send {batch}: {messages:?}"));
        for message in messages {
            let (event, slot) = self.batches[&batch][*message as usize];
            if !self.faults.ordered_prefix
                && let Some(other) = self.in_flight.iter().find(|it| self.key[it.event] == self.key[event])
            {
                return Err(format!("two of one key in flight: events {} and {event}", other.event));
            }
            let blocked = self.store.held.range(..event).any(|(held, row)| {
                self.key[*held] == self.key[event]
                    && !(row.state == Row::Dead && self.faults.on_dead == OnDead::SkipAfterDeadLetter)
            });
            if blocked && self.faults.on_dead == OnDead::Block {
                return Err(format!("event {event} sent although an event before it in its key is held"));
            }
            self.in_flight.push(InFlight { batch, message: *message, event, slot });
        }
        Ok(())
    }

    /// Answers the oldest, or where the sink keeps no order any, delivery in flight.
    fn answer_some(&mut self) -> Result<(), String> {
        for _ in 0..=self.below(6) {
            if self.in_flight.is_empty() {
                return Ok(());
            }
            let count = u64::try_from(self.in_flight.len()).unwrap();
            let index =
                if self.faults.ordered_prefix { 0 } else { usize::try_from(self.below(count)).unwrap() };
            let flight = self.in_flight.remove(index);
            self.answer(flight)?;
            self.drain_commands()?;
        }
        Ok(())
    }

    fn answer(&mut self, flight: InFlight) -> Result<(), String> {
        let InFlight { batch, message, event, slot } = flight;
        let charge = self.mutation == Mutation::ChargeOutage;
        let failure = if !self.sink_up {
            let class = if charge { FailureClass::Retryable } else { FailureClass::Unavailable };
            Some(Failure::new(class, "S200", "down"))
        } else if let Some(failure) = self.own_fault(event) {
            Some(failure)
        } else {
            self.accept(event, slot)?;
            let lost = self.faults.lost_answers && !self.healing && self.below(12) == 0;
            lost.then(|| Failure::new(FailureClass::Unknown, "S201", "answer lost"))
        };
        match failure {
            None => self.lane.delivered(batch, &[message]),
            Some(failure) => {
                // What keeps prefixes fails as a whole: nothing later is stored once an answer is lost.
                if self.faults.ordered_prefix && failure.class != FailureClass::Retryable {
                    self.fail_rest(&failure);
                }
                self.lane.failed(self.now, batch, message, failure);
            }
        }
        Ok(())
    }

    fn fail_rest(&mut self, failure: &Failure) {
        for other in std::mem::take(&mut self.in_flight) {
            let failure = Failure::new(FailureClass::Unknown, "S201", failure.detail.clone());
            self.lane.failed(self.now, other.batch, other.message, failure);
        }
    }

    fn own_fault(&mut self, event: usize) -> Option<Failure> {
        let fails = match self.nature[event] {
            Nature::Poison => true,
            Nature::Flaky(times) => self.own_faults[event] < times,
            _ => false,
        };
        fails.then(|| {
            self.own_faults[event] += 1;
            Failure::new(FailureClass::Retryable, "S214", "refused")
        })
    }

    fn accept(&mut self, event: usize, slot: u32) -> Result<(), String> {
        *self.slots_stored.entry((event, slot)).or_default() += 1;
        // Where the sink keeps prefixes several events of a key are in flight: one that fails by itself is
        // overtaken by those already sent behind it.
        let key = self.key[event];
        let overtaken = self.own_faults[event] > 0
            && (self.faults.ordered_prefix || self.faults.on_dead == OnDead::SkipAfterDeadLetter)
            || self.faults.ordered_prefix
                && self.own_faults.iter().zip(&self.key).any(|(n, k)| *n > 0 && *k == key);
        self.note(|_| format!("stored {event}.{slot}"));
        if slot == 0 { self.observed.store(key, event, overtaken) } else { Ok(()) }
    }

    fn fetch(&mut self, limit: usize) {
        let due: Vec<_> = self
            .store
            .held
            .iter()
            .filter(|(_, row)| matches!(row.state, Row::Parked(at) if at <= self.now))
            .map(|(event, _)| *event)
            .take(limit)
            .collect();
        let next = self.store.held.values().filter_map(|row| match row.state {
            Row::Parked(at) => Some(at - self.now),
            _ => None,
        });
        let next = if due.is_empty() { next.min() } else { None };
        let events = due
            .iter()
            .map(|event| RetryEvent {
                planned: self.plan(*event),
                attempts: self.store.held[event].attempts,
                delivered: self.store.held[event].delivered.clone(),
            })
            .collect();
        let id = self.lane.retry(self.now, events, next);
        self.note(|_| format!("retry {id}: {due:?}"));
        self.remember(id, due);
    }

    fn finish_settlement(&mut self, crashing: bool) -> Result<(), String> {
        let Some(plan) = self.settling.take() else { return Ok(()) };
        self.note(|_| format!("settled {plan:?}"));
        if let Some(progress) = plan.progress {
            let event = self.events_of[&progress.through.batch][progress.through.event as usize];
            if event + 1 < self.store.settled && self.mutation == Mutation::None {
                return Err(format!("progress moved back from {} to {}", self.store.settled, event + 1));
            }
            self.store.settled = self.store.settled.max(event + 1);
        }
        self.store.done += plan.delivered + plan.discarded;
        let mut touched = Vec::new();
        for held in &plan.held {
            let event = self.events_of[&held.at.batch][held.at.event as usize];
            touched.push(self.key[event]);
            if self.mutation == Mutation::ForgetHeld {
                continue;
            }
            let row = self.row(held.state, held.attempts, event, held.at.batch, &held.delivered);
            self.store.held.entry(event).or_insert(row);
        }
        for retried in &plan.retried {
            let event = self.events_of[&retried.at.batch][retried.at.event as usize];
            touched.push(self.key[event]);
            match &retried.result {
                RetryResult::Done => {
                    self.store.held.remove(&event);
                }
                RetryResult::Held { state, attempts, delivered, .. } => {
                    let row = self.row(*state, *attempts, event, retried.at.batch, delivered);
                    self.store.held.insert(event, row);
                }
            }
        }
        for key in touched {
            self.promote(key);
        }
        if !crashing {
            self.lane.settled(self.now);
        }
        Ok(())
    }

    fn row(
        &self,
        state: HeldState,
        attempts: u32,
        event: usize,
        batch: BatchId,
        delivered: &[u32],
    ) -> HeldRow {
        let state = match state {
            HeldState::Parked { after } => Row::Parked(self.now + after),
            HeldState::Blocked => Row::Blocked,
            HeldState::Dead => Row::Dead,
        };
        let delivered = delivered.iter().map(|message| self.batches[&batch][*message as usize].1).collect();
        HeldRow { state, attempts, messages: self.messages[event], delivered }
    }

    fn promote(&mut self, key: u64) {
        let skips = self.faults.on_dead == OnDead::SkipAfterDeadLetter;
        let now = self.now;
        let keys = &self.key;
        let mut rows =
            self.store.held.iter_mut().filter(|(event, _)| keys[**event] == key).map(|(_, row)| row);
        if let Some(first) = rows.find(|row| !(skips && row.state == Row::Dead))
            && first.state == Row::Blocked
        {
            first.state = Row::Parked(now);
        }
    }

    /// The process dies: a settlement under way may or may not have reached the store.
    fn crash(&mut self) -> Result<(), String> {
        self.note(|_| "crash".to_owned());
        if self.below(2) == 0 {
            self.finish_settlement(true)?;
        }
        self.settling = None;
        for flight in std::mem::take(&mut self.in_flight) {
            if self.sink_up && self.below(2) == 0 && self.own_fault(flight.event).is_none() {
                self.accept(flight.event, flight.slot)?;
            } else if self.faults.ordered_prefix {
                break;
            }
        }
        self.read = self.store.settled;
        let mut held: HashMap<KeyId, u64> = HashMap::new();
        for (event, row) in &self.store.held {
            let blocks = row.state != Row::Dead || self.faults.on_dead == OnDead::Block;
            if blocks && self.mutation != Mutation::IgnoreHeldKeys {
                *held.entry(KeyId(u128::from(self.key[*event]))).or_default() += 1;
            }
        }
        let held: Vec<_> = held.into_iter().collect();
        self.lane = Lane::new(config(self.faults), &held, self.random, self.next_batch, self.now);
        Ok(())
    }

    fn check_held(&self) -> Result<(), String> {
        for (event, row) in &self.store.held {
            if row.attempts > self.own_faults[*event] + u32::from(self.nature[*event] == Nature::Rejected)
                && !self.faults.lost_answers
            {
                let faults = self.own_faults[*event];
                return Err(format!(
                    "event {event} was charged {} attempts for {faults} faults",
                    row.attempts
                ));
            }
            if row.delivered.len() > row.messages as usize {
                return Err(format!("event {event} has more delivered slots than messages"));
            }
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.store.settled == EVENTS
            && self.settling.is_none()
            && self.in_flight.is_empty()
            && self.store.held.values().all(|row| row.state == Row::Dead || row.state == Row::Blocked)
            && self.lane.is_idle()
    }

    /// No loss, and nothing dead or blocked without cause.
    fn check_end(&self) -> Result<(), String> {
        for event in 0..EVENTS {
            let stored = self.observed.holds(event);
            let held = self.store.held.get(&event);
            let ok = match self.nature[event] {
                Nature::Discarded => !stored,
                Nature::Rejected => !stored && held.is_some(),
                Nature::Poison => held.is_some(),
                Nature::Good | Nature::Flaky(_) => {
                    stored || held.is_some_and(|row| self.is_blocked(event, row))
                }
            };
            let discarded_but_blocked = self.nature[event] == Nature::Discarded;
            if !ok && !discarded_but_blocked {
                return Err(format!(
                    "lost: event {event} ({:?}) stored {stored}, held {held:?}",
                    self.nature[event]
                ));
            }
        }
        Ok(())
    }

    fn is_blocked(&self, event: usize, row: &HeldRow) -> bool {
        let behind_dead = self
            .store
            .held
            .range(..event)
            .any(|(other, row)| self.key[*other] == self.key[event] && row.state == Row::Dead);
        match row.state {
            Row::Blocked => behind_dead && self.faults.on_dead == OnDead::Block,
            Row::Dead => self.own_faults[event] >= ATTEMPTS || self.faults.lost_answers,
            Row::Parked(_) => false,
        }
    }

    fn draw_nature(&mut self) -> Nature {
        let draw = self.below(40);
        match draw {
            0 if self.faults.poison => Nature::Poison,
            1 | 2 if self.faults.poison => Nature::Flaky(1),
            3 if self.faults.poison => Nature::Rejected,
            4 | 5 => Nature::Discarded,
            _ => Nature::Good,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn note(&self, line: impl FnOnce(&Self) -> String) {
        if self.trace {
            println!("{:>12} {}", self.now.0, line(self));
        }
    }
}

fn config(faults: Faults) -> LaneConfig {
    LaneConfig {
        ordered_prefix: faults.ordered_prefix,
        window_events: 24,
        window_bytes: 1 << 20,
        in_flight: if faults.ordered_prefix { usize::MAX } else { 6 },
        retry: RetryPolicy {
            first: Duration::from_millis(50),
            max: Duration::from_millis(400),
            attempts: ATTEMPTS,
        },
        on_dead: faults.on_dead,
        settle_every: Duration::from_millis(100),
    }
}
