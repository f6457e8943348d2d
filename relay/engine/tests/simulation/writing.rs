//! What comes back from the store: writes, one at a time, and parked events that are due.

use relay_engine::engine::{Plan, PlannedEvent, RetryEvent};

use crate::case::Fault;
use crate::checker::{Checked, Violation};
use crate::outbox::{EVENT_BYTES, key_id};
use crate::planted::Planted;
use crate::relay::{Due, Fetch, Sent, Write};
use crate::store::{Lease, Row, Settlement};
use crate::world::World;

impl World {
    /// A write comes back from the store.
    pub(crate) fn finish_write(&mut self, relay: usize) -> Result<bool, Violation> {
        let ask = self.random.one_in(4) || self.is_healed() && !self.store.requests.is_empty();
        let Some(session) = self.session(relay) else { return self.finish_orphan() };
        if session.writing.is_none() && ask && !session.stopping && !session.halted {
            session.write(Write::Requests);
        }
        let Some(write) = session.writing.take() else { return self.finish_orphan() };
        let fails = std::mem::take(&mut self.store_fails);
        if fails && self.planted != Planted::TrustLostSettlement {
            let lease = self.relays[relay].session.as_ref().map(|it| it.lease);
            if let Some(lease) = lease.filter(|_| self.random.one_in(2)) {
                self.orphans.push((lease, write));
            }
            self.end_session(relay, "lost the answer of the store");
            return Ok(true);
        }
        match write {
            Write::Settle(settlement) => self.finish_settlement(relay, settlement, fails)?,
            Write::Requests => self.finish_requests(relay),
        }
        if let Some(session) = self.session(relay) {
            session.touched = true;
            session.write_next();
        }
        Ok(true)
    }

    fn finish_settlement(&mut self, relay: usize, settlement: Settlement, trusted: bool) -> Checked {
        let Some(mut lease) = self.relays[relay].session.as_ref().map(|it| it.lease) else { return Ok(()) };
        if !trusted && !self.record(&mut lease, settlement)? {
            self.end_session(relay, "lost the lane: its settlement is refused");
            return Ok(());
        }
        let now = self.relay_now(relay);
        let store = &self.store;
        if let Some(session) = self.relays[relay].session.as_mut() {
            session.lease = lease;
            session.open.retain(|(event, _)| *event >= store.settled || store.held.contains_key(event));
            session.lane.settled(now);
        }
        Ok(())
    }

    /// Applies a settlement and checks what it did; returns whether it was taken.
    fn record(&mut self, lease: &mut Lease, settlement: Settlement) -> Result<bool, Violation> {
        let before = self.store.held.clone();
        let now = self.store_now();
        let taken = self.store.settle(now, lease, settlement.clone()).is_ok();
        self.note(|_| {
            format!("store: settlement of term {} {}", lease.term, if taken { "taken" } else { "refused" })
        });
        if taken {
            self.checker.settled(&self.outbox, &before, &self.store, lease.term, &settlement)?;
            if !self.storms_off && (self.has(Fault::Storm) || self.has(Fault::Broken)) {
                self.checker.weathered(&self.outbox, lease.term, &settlement)?;
            }
            if self.has(Fault::Limit) && !self.has(Fault::Operator) && !self.is_healed() {
                self.checker.has_room(&self.store, &settlement)?;
            }
        }
        Ok(taken)
    }

    fn finish_requests(&mut self, relay: usize) {
        let Some(mut lease) = self.relays[relay].session.as_ref().map(|it| it.lease) else { return };
        let (store_now, now) = (self.store_now(), self.relay_now(relay));
        let Ok(changes) = self.store.apply_requests(store_now, &mut lease) else {
            return self.end_session(relay, "lost the lane: its request is refused");
        };
        let keys = |keys: &[u64]| keys.iter().map(|it| key_id(*it)).collect::<Vec<_>>();
        if let Some(session) = self.relays[relay].session.as_mut() {
            session.lease = lease;
            session.lane.parked_again(now, &keys(&changes.revived));
            session.lane.dropped(now, &keys(&changes.dropped));
        }
        if !changes.revived.is_empty() || !changes.dropped.is_empty() {
            self.note(|_| format!("store: carried out {changes:?}"));
        }
    }

    /// The write of a dead relay takes effect, or never does.
    fn finish_orphan(&mut self) -> Result<bool, Violation> {
        let Some((mut lease, write)) = self.orphans.pop() else { return Ok(false) };
        if self.random.one_in(2) {
            match write {
                Write::Settle(settlement) => {
                    self.record(&mut lease, settlement)?;
                }
                Write::Requests => {
                    let now = self.store_now();
                    let _ = self.store.apply_requests(now, &mut lease);
                }
            }
        }
        Ok(true)
    }

    /// The store reads what is due, or what it read arrives.
    pub(crate) fn go_on_fetching(&mut self, relay: usize) -> Result<bool, Violation> {
        let Some(fetch) = self.session(relay).and_then(|it| it.fetching.take()) else { return Ok(false) };
        if std::mem::take(&mut self.store_fails) {
            self.end_session(relay, "could not ask the store what is due");
            return Ok(true);
        }
        match fetch {
            Fetch::Asked(limit) => {
                let due = self.read_due(limit);
                if let Some(session) = self.session(relay) {
                    session.fetching = Some(Fetch::Read(due));
                }
            }
            Fetch::Read(due) => self.take_due(relay, due),
        }
        Ok(true)
    }

    fn read_due(&self, limit: usize) -> Due {
        let now = self.store_now();
        let rows: Vec<_> = self
            .store
            .due(now, limit)
            .into_iter()
            .map(|event| (event, self.store.held[&event].clone()))
            .collect();
        let none = rows.is_empty() && self.planted != Planted::NoNextDue;
        let next = if none { self.store.next_due() } else { None };
        Due { rows, next: next.map(|at| at - now) }
    }

    fn take_due(&mut self, relay: usize, due: Due) {
        let now = self.relay_now(relay);
        let events: Vec<_> = due.rows.iter().map(|(event, _)| *event).collect();
        let retries: Vec<_> = due.rows.iter().map(|(event, row)| self.retry(*event, row)).collect();
        let planned: Vec<_> = retries.iter().map(|it| it.planned.clone()).collect();
        let live = self.live(&events, &planned, true);
        let Some(session) = self.session(relay) else { return };
        let id = session.lane.retry(now, retries, due.next);
        session.live.insert(id, live);
        session.touched = true;
        // What was acknowledged before may be sent again where an operator or a failed sibling asks for it, but
        // never a slot that its row lists; a retry starts a new life of the event.
        for (event, row) in &due.rows {
            session.sent.retain(|(it, slot), _| it != event || row.delivered.contains(slot));
            session.sent.extend(row.delivered.iter().map(|slot| ((*event, *slot), Sent::Acknowledged)));
        }
        if !events.is_empty() {
            self.note(|_| format!("relay {relay}: fetches {events:?} as batch {id}"));
        }
    }

    fn retry(&mut self, event: usize, row: &Row) -> RetryEvent {
        let planned = if row.rendered {
            let destination = u32::try_from(self.outbox.destination(event)).unwrap();
            let told = &self.outbox.events[event];
            let plan = Plan::Send { messages: told.messages };
            PlannedEvent { key: key_id(told.key), bytes: EVENT_BYTES, destination, plan }
        } else {
            self.outbox.plan(event)
        };
        if matches!(planned.plan, Plan::Halt(_)) {
            self.outbox.events[event].faults += 1;
        }
        let forget = self.planted == Planted::ForgetDeliveredSlots;
        let delivered = if forget { Vec::new() } else { row.delivered.clone() };
        RetryEvent { planned, attempts: row.attempts, delivered }
    }
}
