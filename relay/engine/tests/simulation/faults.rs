//! Faults, injected one at a time as long as the case's budget lasts.

use relay_engine::outcome::FailureClass;

use crate::case::Fault;
use crate::checker::Checked;
use crate::sink::Answer;
use crate::store::{Request, State};
use crate::world::World;

impl World {
    /// Injects one fault of the kinds that the case knows, where one can happen now.
    pub(crate) fn inject(&mut self) -> Checked {
        let kinds: Vec<_> =
            self.case.faults.iter().filter(|it| !matches!(it, Fault::Poison | Fault::Limit)).collect();
        if kinds.is_empty() {
            return Ok(());
        }
        let kind = kinds[self.random.index(kinds.len())];
        let relay = self.random.index(self.relays.len());
        let happened = match kind {
            Fault::Crash => self.crash(relay),
            Fault::Stop => self.stop(relay),
            Fault::Takeover => {
                self.take_over(relay);
                true
            }
            Fault::Freeze => {
                self.relays[relay].frozen_until = self.step + 5 + self.random.index(60);
                true
            }
            Fault::Clock => self.jump(relay),
            Fault::Loss => self.lose_answer()?,
            Fault::Duplicate => self.duplicate(),
            Fault::Outage => {
                self.sink.up = !self.sink.up;
                true
            }
            Fault::Destination => {
                let index = self.random.index(self.sink.destinations_up.len());
                let up = &mut self.sink.destinations_up[index];
                *up = !*up;
                true
            }
            Fault::Store => {
                self.store_fails = true;
                true
            }
            Fault::Operator => self.ask(),
            Fault::Swap => self.swap(),
            Fault::Storm => {
                self.outbox.refusing = !self.outbox.refusing;
                self.checker.weather_changed();
                true
            }
            Fault::Broken => {
                self.outbox.broken = true;
                self.checker.weather_changed();
                true
            }
            Fault::Poison | Fault::Limit => false,
        };
        if happened {
            self.budget -= 1;
            self.note(|it| format!("fault: {kind:?}, relay {relay}, {} left", it.budget));
        }
        Ok(())
    }

    fn crash(&mut self, relay: usize) -> bool {
        let runs = self.relays[relay].session.is_some();
        self.end_session(relay, "dies");
        runs
    }

    /// A stop: what is in flight is answered, or its answers are lost with the connections.
    fn stop(&mut self, relay: usize) -> bool {
        let cuts = self.random.one_in(3);
        let Some(session) = self.session(relay) else { return false };
        session.stopping = true;
        session.touched = true;
        session.lane.stop();
        let id = session.id;
        while cuts && let Some(index) = self.sink.flights.iter().position(|it| it.session == id) {
            let flight = self.sink.flights.remove(index);
            self.lose(flight, FailureClass::Unknown);
        }
        true
    }

    fn jump(&mut self, relay: usize) -> bool {
        match self.random.below(3) {
            0 => self.relays[relay].clock += self.random.below(600_000_000),
            1 => self.store_clock += self.random.below(60_000_000),
            _ => self.store_clock = self.store_clock.saturating_sub(self.random.below(60_000_000)),
        }
        true
    }

    /// The answer to a message is lost: it arrived before, arrives later, or never does.
    fn lose_answer(&mut self) -> Result<bool, crate::checker::Violation> {
        if self.sink.flights.is_empty() {
            return Ok(false);
        }
        let mut index = self.random.index(self.sink.flights.len());
        let prefixes = self.keeps_prefixes();
        if prefixes {
            index = self.sink.first_of_connection(index);
        }
        let flight = self.sink.flights.remove(index);
        match self.random.below(3) {
            0 if self.sink.is_up(flight.destination) => {
                let result = self.store_message(flight.event, flight.slot)?;
                if result.is_ok() && self.has(Fault::Duplicate) {
                    // After the relay has given up waiting, the answer comes.
                    self.sink.answers.push(Answer { flight: flight.clone(), result });
                }
            }
            1 if !prefixes => self.sink.late.push([flight.clone()].into()),
            _ => {}
        }
        self.fail_connection(flight, FailureClass::Unknown);
        Ok(true)
    }

    fn duplicate(&mut self) -> bool {
        if self.random.one_in(2) && !self.keeps_prefixes() && !self.sink.flights.is_empty() {
            let flight = self.sink.flights[self.random.index(self.sink.flights.len())].clone();
            self.sink.late.push([flight].into());
            self.checker.allow_repeats(1);
            return true;
        }
        // Of failures each is reported once: a second would be a second failure.
        let delivered: Vec<_> = self.sink.answers.iter().filter(|it| it.result.is_ok()).cloned().collect();
        if delivered.is_empty() {
            return false;
        }
        self.sink.answers.push(delivered[self.random.index(delivered.len())].clone());
        true
    }

    fn ask(&mut self) -> bool {
        let dead = self.store.held.values().filter(|row| row.state == State::Dead);
        let keys: Vec<_> = dead.map(|row| row.key).collect();
        if keys.is_empty() {
            return false;
        }
        let key = keys[self.random.index(keys.len())];
        let request = match self.random.below(3) {
            0 => Request::Retry(None),
            1 => Request::Retry(Some(key)),
            _ => Request::Drop(key),
        };
        self.store.requests.push(request);
        true
    }

    fn swap(&mut self) -> bool {
        self.outbox.mended = true;
        self.outbox.broken = false;
        self.checker.weather_changed();
        for relay in 0..self.relays.len() {
            self.renew(relay);
        }
        true
    }

    /// A new generation of plugins comes.
    pub(crate) fn renew(&mut self, relay: usize) {
        let Some(session) = &mut self.relays[relay].session else { return };
        if session.stopping {
            return;
        }
        session.swapping = true;
        session.touched = true;
        session.lane.close_intake();
    }
}
