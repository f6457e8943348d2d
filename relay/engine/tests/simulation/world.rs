//! The world around the relays: time, the network, and one small step at a time.

use std::time::Duration;

use relay_engine::clock::Time;
use relay_engine::engine::{Amount, Cause, HELD_LIMITS, HeldLimits, LaneConfig, RetryPolicy, StormLimit};
use relay_engine::outcome::{Failure, FailureClass};

use crate::case::{Case, Fault};
use crate::checker::{Checked, Checker, Violation, broken};
use crate::outbox::{EVENT_BYTES, Outbox};
use crate::planted::Planted;
use crate::random::Random;
use crate::relay::{Relay, Write};
use crate::sink::{Answer, Flight, Sink};
use crate::store::{Lease, Request, State, Store};

/// Attempts an event gets.
pub(crate) const ATTEMPTS: u32 = 3;
/// Results that make a storm.
pub(crate) const STORM_OF: u32 = 8;
/// Room for parked events and for dead letters, where there are limits.
pub(crate) const PARKED: u64 = 6;
pub(crate) const DEAD: u64 = 4;
/// Steps with faults; then the world heals.
const FAULT_STEPS: usize = 500;
/// Steps after which a lane that has not come to rest never will.
const STEPS: usize = 8_000;

pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) planted: Planted,
    pub(crate) random: Random,
    pub(crate) step: usize,
    healed: bool,
    pub(crate) storms_off: bool,
    pub(crate) now: u64,
    /// How far the store's clock is ahead of the world's.
    pub(crate) store_clock: u64,
    pub(crate) budget: u32,
    pub(crate) outbox: Outbox,
    pub(crate) store: Store,
    /// The store fails the next call that comes back.
    pub(crate) store_fails: bool,
    /// Writes of relays that died, which may still take effect.
    pub(crate) orphans: Vec<(Lease, Write)>,
    pub(crate) sink: Sink,
    pub(crate) relays: Vec<Relay>,
    pub(crate) sessions: u64,
    pub(crate) checker: Checker,
    trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(case: Case, planted: Planted, traced: bool) -> Self {
        let relay = |_| Relay { clock: 0, frozen_until: 0, session: None, next_batch: 1 };
        Self {
            planted,
            random: Random::new(case.seed.rotate_left(17)),
            step: 0,
            healed: false,
            storms_off: false,
            now: 1_000_000,
            store_clock: 3_600_000_000,
            budget: case.budget,
            outbox: Outbox::new(&case),
            store: Store::new(case.on_dead, planted),
            store_fails: false,
            orphans: Vec::new(),
            sink: Sink::new(),
            relays: (0..case.relays).map(relay).collect(),
            sessions: 0,
            checker: Checker::new(case.on_dead),
            trace: traced.then(Vec::new),
            case,
        }
    }

    /// Runs to the end or to the first broken promise; returns the trace with it.
    pub(crate) fn run(mut self) -> (Checked, Vec<String>) {
        let checked = self.run_steps();
        if let Err(violation) = &checked {
            self.note(|_| format!("BROKEN {}: {}", violation.promise, violation.what));
        }
        (checked, self.trace.unwrap_or_default())
    }

    fn run_steps(&mut self) -> Checked {
        while self.step < STEPS {
            self.step += 1;
            let quiet = self.is_at_rest() && self.random.one_in(10);
            if !self.healed && (self.step == FAULT_STEPS || quiet) {
                self.heal();
            }
            self.one_step()?;
            if self.is_healed() && self.is_at_rest() {
                let open = self.relays.iter().filter_map(|it| it.session.as_ref()).map(|it| it.open.len());
                let open = open.sum();
                self.checker.allow_repeats(open);
                return self.checker.end(&self.outbox, &self.store);
            }
        }
        broken("I13 liveness", self.describe())
    }

    fn one_step(&mut self) -> Checked {
        self.help();
        let slow = self.random.one_in(20);
        self.now += self.random.below(if slow { 60_000 } else { 2_000 });
        self.start_relays();
        if !self.is_healed() && self.budget > 0 && self.random.one_in(6) {
            self.inject()?;
        } else if !self.work()? {
            self.skip_to_next_timer()?;
        }
        for relay in 0..self.relays.len() {
            if self.wants_attention(relay) {
                self.drain(relay)?;
            }
        }
        Ok(())
    }

    /// Does one thing that is under way; returns whether there was any.
    fn work(&mut self) -> Result<bool, Violation> {
        let first = self.random.below(16);
        for turn in 0..8 {
            let relay = self.random.index(self.relays.len());
            let done = match (first + turn) % 8 {
                0 | 1 => self.receive()?,
                2 | 3 => self.answer(),
                4 => self.read(relay),
                5 => self.finish_write(relay)?,
                6 => self.go_on_fetching(relay)?,
                _ => self.arrive_late()?,
            };
            if done {
                return Ok(true);
            }
        }
        for relay in 0..self.relays.len() {
            if self.finish_write(relay)? || self.go_on_fetching(relay)? || self.read(relay) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A message reaches the receiver.
    fn receive(&mut self) -> Result<bool, Violation> {
        if self.sink.flights.is_empty() {
            return Ok(false);
        }
        let mut index = self.random.index(self.sink.flights.len());
        if self.keeps_prefixes() {
            index = self.sink.first_of_connection(index);
        }
        let flight = self.sink.flights.remove(index);
        if !self.sink.is_up(flight.destination) {
            self.fail_connection(flight, FailureClass::Unavailable);
            return Ok(true);
        }
        let result = self.store_message(flight.event, flight.slot)?;
        self.note(|_| format!("receiver: {} {}", name(&flight), outcome(&result)));
        self.sink.answers.push(Answer { flight, result });
        Ok(true)
    }

    /// The receiver takes or refuses a message.
    pub(crate) fn store_message(
        &mut self,
        event: usize,
        slot: u32,
    ) -> Result<Result<(), Failure>, Violation> {
        if let Some(failure) = self.outbox.refusal(event) {
            if self.keeps_prefixes() {
                let key = self.outbox.events[event].key;
                let events = &self.outbox.events;
                let behind = self.sink.on_their_way().filter(|it| events[*it].key == key);
                self.checker.excuse(event, behind);
            }
            return Ok(Err(failure));
        }
        self.checker.stored(&self.outbox, event, slot)?;
        Ok(Ok(()))
    }

    /// The connection fails under `flight`; where prefixes are kept, all behind it fails with it.
    pub(crate) fn fail_connection(&mut self, flight: Flight, class: FailureClass) {
        let behind = if self.keeps_prefixes() { self.sink.cut_connection(&flight) } else { Vec::new() };
        for (index, flight) in std::iter::once(flight).chain(behind).enumerate() {
            let class = if index > 0 { FailureClass::Unknown } else { class };
            self.note(|_| format!("network: {} fails, {class:?}", name(&flight)));
            self.lose(flight, class);
        }
    }

    /// Nobody learns what became of `flight`, or that it is away.
    pub(crate) fn lose(&mut self, flight: Flight, class: FailureClass) {
        if class == FailureClass::Unknown {
            self.outbox.events[flight.event].lost += 1;
            self.checker.allow_repeats(1);
        }
        let result = Err(Failure::new(class, "S200", "away"));
        self.sink.answers.push(Answer { flight, result });
    }

    /// A message that nobody waits for any more arrives.
    fn arrive_late(&mut self) -> Result<bool, Violation> {
        if self.sink.late.is_empty() {
            return Ok(false);
        }
        let index = self.random.index(self.sink.late.len());
        let cut_off = self.random.one_in(4);
        let flight = if cut_off { None } else { self.sink.late[index].pop_front() };
        let Some(flight) = flight.filter(|it| self.sink.is_up(it.destination)) else {
            self.sink.late.swap_remove(index);
            return Ok(true);
        };
        let result = self.store_message(flight.event, flight.slot)?;
        self.note(|_| format!("receiver: {} {}, late", name(&flight), outcome(&result)));
        Ok(true)
    }

    /// Nothing is under way: time passes until a timer of some relay.
    fn skip_to_next_timer(&mut self) -> Checked {
        if (0..self.relays.len()).any(|it| self.wants_attention(it)) {
            return Ok(());
        }
        let now = self.now;
        let timers = self.relays.iter().filter(|it| it.frozen_until <= self.step).filter_map(|relay| {
            let wakes = relay.session.as_ref()?.lane.wakes_at()?;
            Some(wakes.0.saturating_sub(relay.clock).max(now))
        });
        match timers.min() {
            Some(at) => self.now = at,
            None if self.is_healed() && self.owner().is_some() && !self.is_at_rest() => {
                return broken("I13 liveness", format!("nothing will ever happen: {}", self.describe()));
            }
            None => {}
        }
        Ok(())
    }

    /// All faults pass; what is under way ends as it would have.
    fn heal(&mut self) {
        self.healed = true;
        self.note(|_| "the world heals".to_owned());
        self.sink.up = true;
        self.sink.destinations_up.fill(true);
        self.store_fails = false;
        // Only a plugin can be what is wrong with a plugin; everything else has to end by itself.
        let new_generation = self.outbox.broken || !self.outbox.mended;
        self.outbox.mended = true;
        self.outbox.broken = false;
        self.outbox.refusing = false;
        self.checker.weather_changed();
        for relay in 0..self.relays.len() {
            self.relays[relay].frozen_until = 0;
            if new_generation {
                self.renew(relay);
            }
        }
    }

    /// What an operator does about a lane that says it needs one: makes room, or lets bad events pass that look like
    /// a storm.
    fn help(&mut self) {
        let Some(owner) = self.owner().filter(|_| self.healed) else { return };
        let Some(session) = &self.relays[owner].session else { return };
        let status = session.lane.status();
        if status.full.is_some() && self.store.requests.is_empty() {
            let mut dead = self.store.held.values().filter(|row| row.state == State::Dead);
            if let Some(key) = dead.next().map(|row| row.key) {
                self.store.requests.push(Request::Drop(key));
                self.note(|_| format!("operator: drops key {key}, as {:?}", status.full));
            }
        }
        let stormy = status
            .outage
            .is_some_and(|it| it.cause != Cause::Sink && (it.probes > 20 || it.cause == Cause::Plugin));
        if stormy && !self.storms_off {
            self.storms_off = true;
            self.end_session(owner, "is started again with storms off");
        }
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.healed
    }

    /// Whether the lane's owner has nothing left to do.
    fn is_at_rest(&self) -> bool {
        let settled = self.store.settled == self.outbox.len()
            && self.store.next_due().is_none()
            && self.store.requests.is_empty()
            && self.orphans.is_empty();
        let owner = self.owner().and_then(|it| self.relays[it].session.as_ref());
        settled && owner.is_some_and(|it| it.lane.is_idle() && it.writing.is_none() && !it.halted)
    }

    /// The relay whose session holds the newest term.
    pub(crate) fn owner(&self) -> Option<usize> {
        let owns = |it: &Relay| it.session.as_ref().is_some_and(|it| it.lease.term == self.store.lease.term);
        self.relays.iter().position(owns)
    }

    /// Whether the sink keeps prefixes in truth; what the engine is told may be a planted lie.
    pub(crate) fn keeps_prefixes(&self) -> bool {
        self.case.ordered_prefix && self.planted != Planted::WrongSinkTrait
    }

    pub(crate) fn relay_now(&self, relay: usize) -> Time {
        Time(self.now + self.relays[relay].clock)
    }

    pub(crate) fn store_now(&self) -> Time {
        Time(self.now + self.store_clock)
    }

    pub(crate) fn config(&self) -> LaneConfig {
        LaneConfig {
            ordered_prefix: self.case.ordered_prefix,
            window_events: 16,
            window_bytes: 1 << 20,
            in_flight: if self.case.ordered_prefix { usize::MAX } else { 6 },
            retry: RetryPolicy {
                first: Duration::from_millis(50),
                max: Duration::from_millis(400),
                attempts: ATTEMPTS,
            },
            on_dead: self.case.on_dead,
            settle_every: Duration::from_millis(20),
            storm: self.storm(),
            limits: self.limits(),
        }
    }

    fn storm(&self) -> Option<StormLimit> {
        let looked_for = self.has(Fault::Storm) || self.has(Fault::Broken);
        (looked_for && !self.storms_off && self.planted != Planted::NoStorms)
            .then_some(StormLimit { percent: 75, last: STORM_OF })
    }

    fn limits(&self) -> HeldLimits {
        if !self.has(Fault::Limit) || self.planted == Planted::NoLimits {
            return HELD_LIMITS;
        }
        let bytes = HELD_LIMITS.parked.bytes;
        // Of parked events the bytes are short, of dead letters the rows.
        let parked = Amount { rows: HELD_LIMITS.parked.rows, bytes: PARKED * u64::from(EVENT_BYTES) };
        HeldLimits { parked, dead: Amount { rows: DEAD, bytes } }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.case.faults.has(fault)
    }

    pub(crate) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_none() {
            return;
        }
        let line = format!("{:>5} {:>9.3} ms  {}", self.step, self.now as f64 / 1e3, line(self));
        if let Some(trace) = &mut self.trace {
            trace.push(line);
        }
    }

    fn describe(&self) -> String {
        let owner = self.owner().and_then(|it| self.relays[it].session.as_ref());
        format!(
            "settled {} of {}, held {:?}, {:?}",
            self.store.settled,
            self.outbox.len(),
            self.store.held,
            owner.map(|it| it.lane.status())
        )
    }
}

pub(crate) fn name(flight: &Flight) -> String {
    format!("event {}.{} of relay {} session {}", flight.event, flight.slot, flight.relay, flight.session)
}

fn outcome(result: &Result<(), Failure>) -> &'static str {
    if result.is_ok() { "stored" } else { "refused" }
}
