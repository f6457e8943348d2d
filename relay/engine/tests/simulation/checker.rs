//! What must hold at every step and at the end, by the numbers of the project's invariants.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use relay_engine::engine::OnDead;

use crate::outbox::{Nature, Outbox};
use crate::store::{Row, Settlement, State, Store};
use crate::world::{ATTEMPTS, DEAD, PARKED, STORM_OF};

/// A broken promise.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// Which, for example `I3 order`.
    pub(crate) promise: &'static str,
    pub(crate) what: String,
}

pub(crate) type Checked = Result<(), Violation>;

pub(crate) fn broken(promise: &'static str, what: impl Into<String>) -> Checked {
    Err(Violation { promise, what: what.into() })
}

/// What receivers stored, and what may be held against it.
#[derive(Debug)]
pub(crate) struct Checker {
    on_dead: OnDead,
    /// How often each message was stored, by event and slot.
    stored: HashMap<(usize, u32), u32>,
    /// The last event of each key that was stored for the first time.
    newest: HashMap<u64, usize>,
    /// `(event, later)`: `later` was on its way when `event` was refused, and may arrive first.
    excused: BTreeSet<(usize, usize)>,
    /// The newest term of the lane.
    term: u64,
    settled: usize,
    /// Good events that each term gave up to the side table since the weather changed last.
    given_up: HashMap<u64, u32>,
    /// Repeats that arrived, and those that faults account for.
    repeats: u64,
    allowed: u64,
}

impl Checker {
    pub(crate) fn new(on_dead: OnDead) -> Self {
        Self {
            on_dead,
            stored: HashMap::new(),
            newest: HashMap::new(),
            excused: BTreeSet::new(),
            term: 0,
            settled: 0,
            given_up: HashMap::new(),
            repeats: 0,
            allowed: 0,
        }
    }

    pub(crate) fn acquired(&mut self, term: u64) {
        self.term = self.term.max(term);
    }

    /// A fault of the world may make this many messages arrive again.
    pub(crate) fn allow_repeats(&mut self, count: usize) {
        self.allowed += count as u64;
    }

    pub(crate) fn excuse(&mut self, event: usize, later: impl IntoIterator<Item = usize>) {
        self.excused.extend(later.into_iter().filter(|it| *it > event).map(|it| (event, it)));
    }

    pub(crate) fn holds(&self, event: usize, slot: u32) -> bool {
        self.stored.contains_key(&(event, slot))
    }

    fn holds_all(&self, outbox: &Outbox, event: usize) -> bool {
        (0..outbox.events[event].messages).all(|slot| self.holds(event, slot))
    }

    /// I3: the receiver stored a message.
    pub(crate) fn stored(&mut self, outbox: &Outbox, event: usize, slot: u32) -> Checked {
        let count = self.stored.entry((event, slot)).or_default();
        *count += 1;
        if *count > 1 {
            self.repeats += 1;
            return Ok(());
        }
        let told = &outbox.events[event];
        if matches!(told.nature, Nature::Discarded | Nature::Rejected) {
            return broken("I8 conservation", format!("event {event} was never to be sent"));
        }
        // With `skip_after_dead_letter` whatever failed may have been given up, in a session that is forgotten.
        let skipped = self.on_dead == OnDead::SkipAfterDeadLetter && told.faults + told.lost > 0;
        if let Some(newest) = self.newest.get(&told.key).copied()
            && newest > event
            && !skipped
            && !self.excused.contains(&(event, newest))
        {
            let key = told.key;
            return broken(
                "I3 order",
                format!("event {event} of key {key} first arrived after event {newest}"),
            );
        }
        let newest = self.newest.entry(told.key).or_insert(event);
        *newest = event.max(*newest);
        Ok(())
    }

    /// I1, I5, I6, I7, I8: the store took a settlement of `term`; `before` is the side table it found.
    pub(crate) fn settled(
        &mut self,
        outbox: &Outbox,
        before: &BTreeMap<usize, Row>,
        store: &Store,
        term: u64,
        settlement: &Settlement,
    ) -> Checked {
        if term != self.term {
            let newest = self.term;
            return broken("I6 owner", format!("term {term} settled although term {newest} owns the lane"));
        }
        if store.settled < self.settled {
            return broken("I5 progress", format!("went back from {} to {}", self.settled, store.settled));
        }
        for event in self.settled..store.settled {
            self.accounted(outbox, store, event)?;
        }
        self.settled = store.settled;
        for event in before.keys().filter(|it| !store.held.contains_key(it)) {
            self.accounted(outbox, store, *event)?;
        }
        let held = settlement.held.iter().map(|(event, row)| (*event, row));
        let retried = settlement.retried.iter().filter_map(|(event, row)| Some((*event, row.as_ref()?)));
        for (event, row) in held.chain(retried) {
            self.charged(outbox, store, event, row)?;
        }
        let mut blocked = store.held.iter().filter(|(_, row)| row.state == State::Blocked);
        match blocked.find(|(event, _)| self.dies_with_its_key(store, **event)) {
            Some((event, _)) => {
                broken("I3 order", format!("event {event} waits behind a dead letter of its parked key"))
            }
            None => Ok(()),
        }
    }

    /// Whether the key of `event` is parked as a whole behind a dead letter.
    fn dies_with_its_key(&self, store: &Store, event: usize) -> bool {
        let Some(key) = store.held.get(&event).map(|row| row.key) else { return false };
        let mut earlier = store.held.range(..event);
        self.on_dead == OnDead::ParkKey && earlier.any(|(_, row)| row.key == key && row.state == State::Dead)
    }

    /// The receiver or the plugin begins or ends refusing everything.
    pub(crate) fn weather_changed(&mut self) {
        self.given_up.clear();
    }

    /// I8, I11: a storm gives up no more events than it takes to tell that it is one.
    pub(crate) fn weathered(&mut self, outbox: &Outbox, term: u64, settlement: &Settlement) -> Checked {
        let good = |(event, row): &&(usize, Row)| {
            row.attempts > 0 && outbox.events[*event].nature == Nature::Good && outbox.events[*event].lost < 3
        };
        let given_up = self.given_up.entry(term).or_default();
        *given_up += u32::try_from(settlement.held.iter().filter(good).count()).unwrap();
        // Storms in the plugin and in the receiver are told apart, and each takes as many to be told at all.
        if *given_up > 2 * STORM_OF {
            return broken(
                "I8 storm",
                format!("{given_up} good events of term {term} were given up in one storm"),
            );
        }
        Ok(())
    }

    /// I11: what a settlement adds to the side table finds room there.
    pub(crate) fn has_room(&self, store: &Store, settlement: &Settlement) -> Checked {
        let (parked, dead) = store.count();
        let held = settlement.held.iter().map(|(_, row)| row.state == State::Dead);
        let died = settlement.retried.iter().filter_map(|(_, row)| row.as_ref());
        let added: Vec<_> = held.chain(died.map(|row| row.state == State::Dead).filter(|it| *it)).collect();
        let adds = |dead: bool| added.contains(&dead);
        let parks_keys = self.on_dead == OnDead::ParkKey;
        if adds(false) && parked > PARKED || adds(true) && !parks_keys && dead > DEAD {
            return broken("I11 bounded", format!("{parked} parked and {dead} dead"));
        }
        Ok(())
    }

    /// An event that progress passed is delivered, discarded, dropped or held.
    fn accounted(&self, outbox: &Outbox, store: &Store, event: usize) -> Checked {
        let discarded = outbox.events[event].nature == Nature::Discarded;
        let known = discarded || store.held.contains_key(&event) || store.dropped.contains(&event);
        if known || self.holds_all(outbox, event) {
            return Ok(());
        }
        let nature = outbox.events[event].nature;
        broken(
            "I8 conservation",
            format!("event {event} ({nature:?}) was passed, not delivered and not held"),
        )
    }

    /// Only its own faults cost an event attempts, and only they make it a dead letter.
    fn charged(&self, outbox: &Outbox, store: &Store, event: usize, row: &Row) -> Checked {
        let told = &outbox.events[event];
        // Three answers lost while others arrive count as one fault of the event.
        let faults = told.faults + told.lost / 3;
        if row.attempts > faults {
            let attempts = row.attempts;
            return broken(
                "I7 attempts",
                format!(
                    "event {event} ({:?}) was charged {attempts} attempts for {faults} faults",
                    told.nature
                ),
            );
        }
        let for_good = matches!(told.nature, Nature::Refused | Nature::Rejected);
        let for_good = for_good || told.refused_in_storm;
        if row.state == State::Dead
            && !for_good
            && row.attempts < ATTEMPTS
            && !self.dies_with_its_key(store, event)
        {
            let attempts = row.attempts;
            return broken("I7 attempts", format!("event {event} is dead after {attempts} attempts"));
        }
        for slot in &row.delivered {
            if !self.holds(event, *slot) {
                return broken("I8 conservation", format!("{event}.{slot} counts as delivered and is not"));
            }
        }
        Ok(())
    }

    /// I1, I4 at the end, when all faults have passed: each event has come to rest, for a reason.
    pub(crate) fn end(&self, outbox: &Outbox, store: &Store) -> Checked {
        if self.repeats > self.allowed {
            let (repeats, allowed) = (self.repeats, self.allowed);
            return broken("I4 repeats", format!("{repeats} repeats where the faults allow {allowed}"));
        }
        for event in 0..outbox.len() {
            self.accounted(outbox, store, event)?;
            let Some(row) = store.held.get(&event) else { continue };
            let told = &outbox.events[event];
            let behind_dead =
                store.held.range(..event).any(|(_, it)| it.key == told.key && it.state == State::Dead);
            let at_rest = match row.state {
                State::Parked(_) => false,
                State::Blocked => behind_dead && self.on_dead == OnDead::Block,
                State::Dead => {
                    told.nature.can_die()
                        || told.lost + told.faults > 0
                        || self.dies_with_its_key(store, event)
                }
            };
            if !at_rest {
                return broken("I13 liveness", format!("event {event} ({:?}) stays {row:?}", told.nature));
            }
        }
        Ok(())
    }
}
