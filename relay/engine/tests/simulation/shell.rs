//! What a relay does: takes the lane over, hands inputs to the engine, obeys its commands, ends.

use std::collections::BTreeMap;

use relay_engine::engine::{
    BatchId, Command, HeldBytes, HeldKey, Lane, OnDead, Plan, PlannedEvent, SettlePlan,
};
use relay_engine::event::KeyId;
use relay_engine::outcome::{Failure, FailureClass};

use crate::case::Fault;
use crate::checker::{Checked, broken};
use crate::outbox::{EVENT_BYTES, key_id};
use crate::planted::Planted;
use crate::relay::{Fetch, Live, Sent, Session, Write};
use crate::sink::Flight;
use crate::store::State;
use crate::world::{World, name};

/// Commands that the engine may give without time passing: more is a busy loop.
const COMMANDS: usize = 500;
/// Events of one read.
const READ: usize = 6;

impl World {
    /// Someone takes the lane over when its owner is gone: at once in a healed world.
    pub(crate) fn start_relays(&mut self) {
        if self.owner().is_none() && (self.is_healed() || self.random.one_in(12)) {
            let relay = self.random.index(self.relays.len());
            self.take_over(relay);
        }
    }

    pub(crate) fn take_over(&mut self, relay: usize) {
        self.end_session(relay, "starts over");
        self.sessions += 1;
        let lease = self.store.acquire();
        self.checker.acquired(lease.term);
        let mut held: BTreeMap<KeyId, HeldKey> = BTreeMap::new();
        for row in self.store.held.values().filter(|_| self.planted != Planted::ForgetHeldKeys) {
            let key = key_id(row.key);
            let counts = held.entry(key).or_insert(HeldKey { key, parked: 0, dead: 0 });
            *(if row.state == State::Dead { &mut counts.dead } else { &mut counts.parked }) += 1;
        }
        let held: Vec<_> = held.into_values().collect();
        let (parked, dead) = self.store.count();
        let size = u64::from(EVENT_BYTES);
        let bytes = HeldBytes { parked: parked * size, dead: dead * size };
        let now = self.relay_now(relay);
        let reuse = self.planted == Planted::ReuseBatchNumbers;
        let first_batch = if reuse { 1 } else { self.relays[relay].next_batch };
        let mut lane =
            Lane::new(self.config(), held.iter().copied(), bytes, self.random.next(), first_batch, now);
        if self.sink.up {
            lane.sink_opened();
        } else {
            lane.sink_failed(now, down());
        }
        let session = Session::new(self.sessions, lane, lease, self.store.settled);
        self.relays[relay].session = Some(session);
        self.note(|it| {
            let settled = it.store.settled;
            format!("relay {relay}: takes over, term {}, settled {settled}, held {held:?}", lease.term)
        });
    }

    /// The session is over: nothing of it is in the engine any more, its messages and its write are on their way.
    pub(crate) fn end_session(&mut self, relay: usize, why: &str) {
        let Some(session) = self.relays[relay].session.take() else { return };
        self.note(|_| format!("relay {relay}: session {} {why}", session.id));
        self.relays[relay].next_batch = session.lane.next_batch();
        self.checker.allow_repeats(session.open.len());
        self.sink.orphan(session.id, self.keeps_prefixes());
        if let Some(write) = session.writing {
            self.orphans.push((session.lease, write));
        }
    }

    pub(crate) fn session(&mut self, relay: usize) -> Option<&mut Session> {
        let awake = self.relays[relay].frozen_until <= self.step;
        self.relays[relay].session.as_mut().filter(|_| awake)
    }

    pub(crate) fn wants_attention(&mut self, relay: usize) -> bool {
        let now = self.relay_now(relay);
        self.session(relay).is_some_and(|it| it.touched || it.lane.wakes_at().is_some_and(|at| at <= now))
    }

    /// Reads the next events and runs their plugins.
    pub(crate) fn read(&mut self, relay: usize) -> bool {
        let (outbox, now) = (self.outbox.len(), self.relay_now(relay));
        let count = 1 + self.random.index(READ);
        let Some(session) = self.session(relay) else { return false };
        let wants = session.lane.wants_batch() && !session.halted && !session.swapping && !session.stopping;
        if !wants || session.read >= outbox {
            return false;
        }
        let events: Vec<_> = (session.read..(session.read + count).min(outbox)).collect();
        session.read += events.len();
        let planned: Vec<_> = events.iter().map(|event| self.outbox.plan(*event)).collect();
        let live = self.live(&events, &planned, false);
        let Some(session) = self.session(relay) else { return false };
        let id = session.lane.batch(now, planned);
        session.live.insert(id, live);
        session.touched = true;
        self.note(|_| format!("relay {relay}: reads {events:?} as batch {id}"));
        true
    }

    pub(crate) fn live(&self, events: &[usize], planned: &[PlannedEvent], is_retry: bool) -> Live {
        let rendered: Vec<_> = planned.iter().map(|it| matches!(it.plan, Plan::Send { .. })).collect();
        let sent = events.iter().zip(&rendered).filter(|(_, rendered)| **rendered);
        let messages =
            sent.flat_map(|(event, _)| (0..self.outbox.events[*event].messages).map(|slot| (*event, slot)));
        Live { is_retry, events: events.to_vec(), messages: messages.collect(), rendered }
    }

    /// The answer to a message arrives at its relay, at a later session of it even.
    pub(crate) fn answer(&mut self) -> bool {
        if self.sink.answers.is_empty() {
            return false;
        }
        let index = self.random.index(self.sink.answers.len());
        let answer = self.sink.answers[index].clone();
        let relay = answer.flight.relay;
        if self.relays[relay].frozen_until > self.step {
            return false;
        }
        self.sink.answers.swap_remove(index);
        let now = self.relay_now(relay);
        let planted = self.planted;
        let Some(session) = self.session(relay) else { return true };
        let Flight { batch, message, event, slot, .. } = answer.flight;
        session.touched = true;
        let result = planted.report(answer.result, session.stopping);
        // A late answer to a message that counts as failed changes nothing: it will be sent again.
        if session.id == answer.flight.session
            && let Some(sent) = session.sent.get_mut(&(event, slot)).filter(|it| **it == Sent::InFlight)
        {
            *sent = if result.is_ok() { Sent::Acknowledged } else { Sent::Failed };
        }
        match &result {
            Ok(()) => session.lane.delivered(batch, &[message]),
            Err(failure) => session.lane.failed(now, batch, message, failure.clone()),
        }
        self.note(|_| {
            let failure = result.err().map(|it| it.class);
            format!("relay {relay}: answer to {}: {}", name(&answer.flight), said(failure))
        });
        true
    }

    /// Does what the engine wants done now; the process may die between any two commands.
    pub(crate) fn drain(&mut self, relay: usize) -> Checked {
        for _ in 0..COMMANDS {
            let now = self.relay_now(relay);
            let Some(session) = self.session(relay) else { return Ok(()) };
            let Some(command) = session.lane.poll(now) else {
                session.touched = false;
                return self.after_commands(relay);
            };
            self.obey(relay, command)?;
            let may_die = self.has(Fault::Crash) && !self.is_healed() && self.budget > 0;
            if may_die && self.random.one_in(150) {
                self.budget -= 1;
                self.end_session(relay, "dies between two commands");
            }
        }
        broken("I13 liveness", "the engine gives commands without end")
    }

    fn obey(&mut self, relay: usize, command: Command) -> Checked {
        match command {
            Command::Send { batch, messages } => return self.send(relay, batch, &messages),
            Command::Probe { batch, message } if self.sink.up => return self.send(relay, batch, &[message]),
            Command::Probe { batch, message } => {
                let now = self.relay_now(relay);
                if let Some(session) = self.session(relay) {
                    session.lane.failed(now, batch, message, down());
                }
            }
            Command::Reopen => {
                let (up, now) = (self.sink.up, self.relay_now(relay));
                let Some(session) = self.session(relay) else { return Ok(()) };
                if up {
                    session.lane.sink_opened();
                } else {
                    session.lane.sink_failed(now, down());
                }
            }
            Command::Settle(plan) => self.settle(relay, &plan),
            Command::FetchDue { events, .. } => {
                if let Some(session) = self.session(relay) {
                    session.fetching = Some(Fetch::Asked(events));
                }
            }
            Command::Halted(reason) => {
                self.note(|_| format!("relay {relay}: {reason}"));
                if let Some(session) = self.session(relay) {
                    session.halted = true;
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, relay: usize, plan: &SettlePlan) {
        let store_now = self.store_now();
        let outbox = &self.outbox;
        let Some(session) = self.relays[relay].session.as_ref() else { return };
        let mut settlement = session.resolve(plan, store_now, |event| outbox.events[event].key);
        let read = session.read;
        match self.planted {
            Planted::SettleBeforeAcknowledgement => {
                settlement.settled = settlement.settled.map(|_| read);
            }
            Planted::CursorOverParked => settlement.held.clear(),
            _ => {}
        }
        self.note(|_| format!("relay {relay}: settles {settlement:?}"));
        if let Some(session) = self.session(relay) {
            session.write(Write::Settle(settlement));
        }
    }

    fn send(&mut self, relay: usize, batch: BatchId, messages: &[u32]) -> Checked {
        for message in messages {
            let Some(session) = self.session(relay) else { return Ok(()) };
            let id = session.id;
            let (event, slot) = session.live[&batch].messages[*message as usize];
            let before = session.sent.insert((event, slot), Sent::InFlight);
            session.open.insert((event, slot));
            let destination = self.outbox.destination(event);
            let flight = Flight { relay, session: id, batch, message: *message, event, slot, destination };
            self.note(|_| format!("relay {relay}: sends {} in batch {batch}", name(&flight)));
            self.check_send(relay, batch, &flight, before)?;
            if self.keeps_prefixes() {
                // The relay can't know yet of refusals that are on their way back.
                let unknown =
                    self.sink.answers.iter().filter(|it| it.result.is_err()).map(|it| it.flight.event);
                unknown.for_each(|refused| self.checker.excuse(refused, [event]));
            }
            self.sink.flights.push(flight);
        }
        Ok(())
    }

    fn check_send(&self, relay: usize, batch: BatchId, flight: &Flight, before: Option<Sent>) -> Checked {
        let Some(session) = &self.relays[relay].session else { return Ok(()) };
        let acknowledged = session.sent.iter().filter(|(_, sent)| **sent == Sent::Acknowledged);
        let furthest = acknowledged.map(|(it, _)| it.0).max();
        let is_retry = session.live[&batch].is_retry;
        if session.stopping && (is_retry || furthest.is_none_or(|it| it < flight.event)) {
            return broken("I7 shutdown", format!("{} is sent after the stop", name(flight)));
        }
        match before {
            Some(Sent::InFlight) => return broken("I4 repeats", format!("{} is under way", name(flight))),
            Some(Sent::Acknowledged) => {
                return broken("I4 repeats", format!("{} was acknowledged to this session", name(flight)));
            }
            Some(Sent::Failed) | None => {}
        }
        let event = flight.event;
        let key = self.outbox.events[event].key;
        let same_key = |it: usize| self.outbox.events[it].key == key;
        if !self.case.ordered_prefix {
            let mut flying = session.sent.iter().filter(|(_, sent)| **sent == Sent::InFlight);
            if let Some(((other, _), _)) =
                flying.find(|(it, _)| **it != (event, flight.slot) && same_key(it.0))
            {
                return broken("I3 order", format!("{event} and {other} of one key are in flight together"));
            }
        }
        let owns = session.lease.term == self.store.lease.term;
        let retried = self.store.held.contains_key(&event);
        let skips = self.case.on_dead == OnDead::SkipAfterDeadLetter;
        let blocks = |state: State| state != State::Dead || !(skips || retried);
        let mut earlier = self.store.held.range(..event).filter(|(_, row)| row.key == key);
        if owns
            && !(retried && skips)
            && let Some((held, row)) = earlier.find(|(_, row)| blocks(row.state))
        {
            let what = format!("event {event} of batch {batch} is sent while {held} is {:?}", row.state);
            return broken("I3 order", what);
        }
        Ok(())
    }

    /// A stop leaves nothing behind that was acknowledged and will be sent again, unless something is out of order.
    fn check_clean_stop(&self, relay: usize) -> Checked {
        let Some(session) = &self.relays[relay].session else { return Ok(()) };
        let owns = session.lease.term == self.store.lease.term && self.orphans.is_empty();
        if !owns || session.lane.is_away() || session.lane.is_stuck() {
            return Ok(());
        }
        let settled = |event: usize| event < self.store.settled || self.store.held.contains_key(&event);
        let open = session.sent.iter().find(|(it, sent)| **sent == Sent::Acknowledged && !settled(it.0));
        match open {
            Some(((event, slot), _)) => broken(
                "I4 repeats",
                format!("{event}.{slot} was acknowledged, and the clean stop forgets it"),
            ),
            None => Ok(()),
        }
    }

    /// What a relay looks at when the engine has nothing more to do for now.
    fn after_commands(&mut self, relay: usize) -> Checked {
        let Some(session) = self.relays[relay].session.as_mut() else { return Ok(()) };
        if session.swapping && session.lane.is_stuck() {
            self.end_session(relay, "has a new plugin generation for a stuck lane");
            return Ok(());
        }
        let at_rest = session.lane.is_idle() && session.writing.is_none() && session.queued.is_empty();
        if !at_rest {
            return Ok(());
        }
        let owns = session.lease.term == self.store.lease.term;
        if owns && !session.stopping && self.orphans.is_empty() && self.planted != Planted::ForgetHeldKeys {
            let skips = self.case.on_dead == OnDead::SkipAfterDeadLetter;
            let (parked, dead) = self.store.count();
            let (known, held) = (session.lane.status().held, parked + if skips { 0 } else { dead });
            if known != held {
                return broken(
                    "I12 isolation",
                    format!("{known} events hold keys back where {held} are held"),
                );
            }
        }
        let flying = session.sent.values().filter(|it| **it == Sent::InFlight).count();
        if (session.stopping || session.swapping) && flying > 0 {
            return broken("I15 generations", format!("idle with {flying} messages in flight"));
        }
        if session.stopping {
            self.check_clean_stop(relay)?;
            self.end_session(relay, "stops");
        } else if session.swapping {
            if owns && !session.halted && session.read != self.store.settled {
                let (read, settled) = (session.read, self.store.settled);
                return broken("I15 generations", format!("swap with {settled} settled of {read} read"));
            }
            session.swapping = false;
            session.touched = true;
            session.lane.open_intake();
            self.checker.weather_changed();
            let Some(session) = &self.relays[relay].session else { return Ok(()) };
            if session.halted {
                self.end_session(relay, "has a new plugin generation for a halted lane");
            }
        }
        Ok(())
    }
}

impl Planted {
    /// What the shell makes of an answer.
    fn report(self, result: Result<(), Failure>, stopping: bool) -> Result<(), Failure> {
        let Err(failure) = result else { return Ok(()) };
        let own = Failure { class: FailureClass::Retryable, ..failure.clone() };
        match (self, failure.class) {
            (Self::ChargeOutage, FailureClass::Unavailable) => Err(own),
            (Self::ChargeShutdown, FailureClass::Unknown) if stopping => Err(own),
            (Self::AcknowledgeUnknown, FailureClass::Unknown) => Ok(()),
            _ => Err(failure),
        }
    }
}

fn down() -> Failure {
    Failure::new(FailureClass::Unavailable, "S200", "down")
}

fn said(failure: Option<FailureClass>) -> String {
    failure.map_or_else(|| "delivered".to_owned(), |class| format!("{class:?}"))
}
