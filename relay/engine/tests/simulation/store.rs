//! The model store: one lane's row and side table, by the rules of `relay/src/store/port.rs` and `promotion.rs`.

use std::collections::{BTreeMap, BTreeSet};

use relay_engine::clock::Time;
use relay_engine::engine::OnDead;

use crate::planted::Planted;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Parked(Time),
    Blocked,
    Dead,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: u64,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    /// Whether its messages are stored with it: a retry then does not run the plugin again.
    pub(crate) rendered: bool,
    /// Slots that were delivered.
    pub(crate) delivered: Vec<u32>,
}

/// Proof of ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) term: u64,
    pub(crate) version: u64,
}

/// What one settlement records, in events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settlement {
    /// Events before this one are passed.
    pub(crate) settled: Option<usize>,
    pub(crate) held: Vec<(usize, Row)>,
    /// Retried events: gone, or with their new row.
    pub(crate) retried: Vec<(usize, Option<Row>)>,
}

/// What operators asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    /// Send the dead letters of a key again; of all keys.
    Retry(Option<u64>),
    /// Drop the dead letters of a key.
    Drop(u64),
}

/// Another relay owns the lane now.
pub(crate) struct Lost;

#[derive(Debug)]
pub(crate) struct Store {
    on_dead: OnDead,
    planted: Planted,
    pub(crate) lease: Lease,
    pub(crate) settled: usize,
    pub(crate) held: BTreeMap<usize, Row>,
    pub(crate) requests: Vec<Request>,
    /// Events that operators dropped.
    pub(crate) dropped: BTreeSet<usize>,
}

/// What carrying requests out changed, key by key.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) revived: Vec<u64>,
    pub(crate) dropped: Vec<u64>,
}

impl Store {
    pub(crate) fn new(on_dead: OnDead, planted: Planted) -> Self {
        Self {
            on_dead,
            planted,
            lease: Lease { term: 0, version: 0 },
            settled: 0,
            held: BTreeMap::new(),
            requests: Vec::new(),
            dropped: BTreeSet::new(),
        }
    }

    pub(crate) fn acquire(&mut self) -> Lease {
        self.lease.term += 1;
        self.lease
    }

    fn compare(&mut self, lease: &mut Lease) -> Result<(), Lost> {
        if *lease != self.lease && self.planted != Planted::NoTermCheck {
            return Err(Lost);
        }
        self.lease.version += 1;
        lease.version = self.lease.version;
        Ok(())
    }

    pub(crate) fn settle(
        &mut self,
        now: Time,
        lease: &mut Lease,
        settlement: Settlement,
    ) -> Result<(), Lost> {
        self.compare(lease)?;
        if let Some(settled) = settlement.settled {
            self.settled = settled;
        }
        let mut touched = BTreeSet::new();
        for (event, row) in settlement.retried {
            match row {
                None => {
                    if let Some(row) = self.held.remove(&event) {
                        touched.insert(row.key);
                    }
                }
                Some(row) => {
                    touched.insert(row.key);
                    if let Some(held) = self.held.get_mut(&event) {
                        *held = row;
                    }
                }
            }
        }
        for (event, row) in settlement.held {
            touched.insert(row.key);
            self.held.entry(event).or_insert(row);
        }
        for key in touched {
            self.promote(now, key);
            self.bury(key);
        }
        Ok(())
    }

    /// Moves the next event of the key up, unless one is parked already or a dead letter blocks it.
    fn promote(&mut self, now: Time, key: u64) {
        if self.planted == Planted::NoPromotion {
            return;
        }
        let skips = self.on_dead == OnDead::SkipAfterDeadLetter;
        if self.held.values().any(|row| row.key == key && matches!(row.state, State::Parked(_))) {
            return;
        }
        let mut rows = self.held.values_mut().filter(|row| row.key == key);
        if let Some(row) = rows.find(|row| !(skips && row.state == State::Dead))
            && row.state == State::Blocked
        {
            row.state = State::Parked(now);
        }
    }

    /// Under `park_key`, what waits behind a dead letter of its key is dead with it.
    fn bury(&mut self, key: u64) {
        if self.on_dead != OnDead::ParkKey || self.planted == Planted::NoBurial {
            return;
        }
        let mut behind_dead = false;
        for row in self.held.values_mut().filter(|row| row.key == key) {
            behind_dead |= row.state == State::Dead;
            if behind_dead && row.state == State::Blocked {
                row.state = State::Dead;
            }
        }
    }

    /// Parked and blocked events, and dead letters.
    pub(crate) fn count(&self) -> (u64, u64) {
        let dead = self.held.values().filter(|row| row.state == State::Dead).count() as u64;
        (self.held.len() as u64 - dead, dead)
    }

    pub(crate) fn due(&self, now: Time, limit: usize) -> Vec<usize> {
        let due = self.held.iter().filter(|(_, row)| matches!(row.state, State::Parked(at) if at <= now));
        due.map(|(event, _)| *event).take(limit).collect()
    }

    pub(crate) fn next_due(&self) -> Option<Time> {
        let times = self.held.values().filter_map(|row| match row.state {
            State::Parked(at) => Some(at),
            State::Blocked | State::Dead => None,
        });
        times.min()
    }

    pub(crate) fn apply_requests(&mut self, now: Time, lease: &mut Lease) -> Result<Changes, Lost> {
        let mut changes = Changes::default();
        if self.requests.is_empty() {
            return Ok(changes);
        }
        self.compare(lease)?;
        for request in std::mem::take(&mut self.requests) {
            match request {
                Request::Retry(key) => changes.revived.extend(self.revive(now, key)),
                Request::Drop(key) => changes.dropped.extend(self.drop_dead(now, key)),
            }
        }
        Ok(changes)
    }

    fn revive(&mut self, now: Time, key: Option<u64>) -> Vec<u64> {
        let mut revived = Vec::new();
        let mut events = Vec::new();
        for (event, row) in &mut self.held {
            if row.state == State::Dead && key.is_none_or(|it| it == row.key) {
                row.state = State::Blocked;
                row.attempts = 0;
                revived.push(row.key);
                events.push(*event);
            }
        }
        for event in events {
            let key = self.held[&event].key;
            let parked = self.held.values().any(|it| it.key == key && matches!(it.state, State::Parked(_)));
            let first = self.held.iter().find(|(_, it)| it.key == key && it.state != State::Dead);
            if !parked
                && first.is_some_and(|(it, _)| *it == event)
                && let Some(row) = self.held.get_mut(&event)
            {
                row.state = State::Parked(now);
            }
        }
        revived
    }

    fn drop_dead(&mut self, now: Time, key: u64) -> Vec<u64> {
        let dead = |row: &Row| row.key == key && row.state == State::Dead;
        let events: Vec<_> = self.held.iter().filter(|(_, row)| dead(row)).map(|(event, _)| *event).collect();
        for event in &events {
            self.held.remove(event);
            self.dropped.insert(*event);
        }
        self.promote(now, key);
        events.iter().map(|_| key).collect()
    }
}
