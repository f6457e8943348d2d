//! One lane in memory, its held events in key order.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relay_engine::event::{KeyId, OwnedEvent, Position};
use relay_engine::message::{Content, Message};
use relay_engine::outcome::Failure;
use tokio::time::Instant;

use crate::store::promotion::keys_to_promote;
use crate::store::{
    Acquired, Claim, DeadAction, DeadAgain, DeadFilter, DeadLetter, DueLimit, Extent, HeldEvent, HeldKey,
    HeldRecord, HeldState, Holder, KeyQueue, LaneId, LaneRecord, LaneSummary, Lease, Outcome, ParkedEvent,
    Retried, RetryResult, Settlement, WaitsFor,
};

/// The longest wait kept: an `Instant` can't be moved by more than the clock's range.
const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Key, place in the outbox, event id: events of a key stand together and in order.
type Place = (KeyId, u64, String);

#[derive(Debug, Default)]
pub(super) struct Lane {
    owner: String,
    process: String,
    leased_until: Option<Instant>,
    /// What its owner last said it was doing.
    words: String,
    term: i64,
    version: i64,
    position: Option<Position>,
    generation: Vec<String>,
    delivered: u64,
    discarded: u64,
    settled_at: Option<u64>,
    held: BTreeMap<Place, Held>,
    /// Where each held event stands, by event id.
    places: HashMap<String, Place>,
    /// How many events each request gave another chance with success.
    done: HashMap<i64, u64>,
}

#[derive(Debug)]
struct Held {
    event: OwnedEvent,
    state: State,
    messages: Option<Vec<Message>>,
    delivered: Vec<String>,
    attempts: u32,
    code: String,
    detail: String,
    generation: Vec<String>,
    /// The request that gave it another chance last.
    request: Option<i64>,
    held_at: u64,
    rerun: Option<u64>,
}

impl Held {
    /// Bytes of its payload and messages.
    fn bytes(&self) -> u64 {
        let length = |content: &Content| match content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Unchanged | Content::Absent => 0,
        };
        let payload = self.event.payload.as_ref().map_or(0, Vec::len);
        let messages = self.messages.iter().flatten().map(|it| length(&it.key) + length(&it.body));
        (payload + messages.sum::<usize>()) as u64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Parked(Instant),
    Blocked,
    Dead(u64),
}

impl State {
    fn of(state: HeldState) -> Self {
        match state {
            HeldState::Parked { after } => Self::Parked(Instant::now() + after.min(LONGEST_WAIT)),
            HeldState::Blocked => Self::Blocked,
            HeldState::Dead => Self::Dead(now()),
        }
    }

    fn is_dead(self) -> bool {
        matches!(self, Self::Dead(_))
    }
}

/// Microseconds since the Unix epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Whether `filter` means lane `id`.
pub(super) fn matches(filter: &DeadFilter, id: &LaneId) -> bool {
    filter.pipeline.as_ref().is_none_or(|it| *it == id.pipeline)
        && filter.sink.as_ref().is_none_or(|it| *it == id.sink)
}

fn matches_event(filter: &DeadFilter, held: &Held) -> bool {
    held.state.is_dead()
        && filter.event_id.as_ref().is_none_or(|it| *it == held.event.id)
        && filter.aggregate_id.as_ref().is_none_or(|it| *it == held.event.aggregate_id)
        && filter.code.as_ref().is_none_or(|it| *it == held.code)
        && filter.dead_before.is_none_or(|it| matches!(held.state, State::Dead(at) if at < it))
}

impl Lane {
    pub(super) fn acquire(&mut self, claim: &Claim) -> Acquired {
        let expires_in = self.lease_left();
        let free = self.process == claim.process || claim.instead_of == Some(self.term);
        if !expires_in.is_zero() && !free {
            let (owner, process) = (self.owner.clone(), self.process.clone());
            return Acquired::Held(Holder { owner, process, term: self.term, expires_in });
        }
        claim.owner.clone_into(&mut self.owner);
        claim.process.clone_into(&mut self.process);
        self.term += 1;
        self.renew(self.term, claim.length, "starting");
        Acquired::Taken(self.record())
    }

    pub(super) fn renew(&mut self, term: i64, length: Duration, words: &str) -> bool {
        let ours = term == self.term;
        if ours {
            words.clone_into(&mut self.words);
            self.leased_until = Some(Instant::now() + length.min(LONGEST_WAIT));
        }
        ours
    }

    fn lease_left(&self) -> Duration {
        self.leased_until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    fn record(&self) -> LaneRecord {
        let mut held_keys: Vec<HeldKey> = Vec::new();
        for ((key, ..), held) in &self.held {
            if held_keys.last().is_none_or(|it| it.key != *key) {
                held_keys.push(HeldKey { key: *key, parked: 0, dead: 0 });
            }
            if let Some(last) = held_keys.last_mut() {
                *(if held.state.is_dead() { &mut last.dead } else { &mut last.parked }) += 1;
            }
        }
        let dead = self.count_dead();
        LaneRecord {
            lease: Lease { term: self.term, version: self.version },
            position: self.position.clone(),
            generation: self.generation.clone(),
            held_keys,
            parked: self.held.len() as u64 - dead,
            dead,
            mean_bytes: self.mean_bytes(),
        }
    }

    fn mean_bytes(&self) -> u64 {
        let all: u64 = self.held.values().map(Held::bytes).sum();
        all.checked_div(self.held.len() as u64).unwrap_or_default()
    }

    pub(super) fn compare(&self, lease: &Lease) -> bool {
        lease.term == self.term && lease.version == self.version
    }

    pub(super) fn advance(&mut self, lease: &mut Lease) {
        self.version += 1;
        lease.version = self.version;
    }

    pub(super) fn settle(&mut self, settlement: &Settlement) {
        if settlement.position.is_some() {
            self.position.clone_from(&settlement.position);
        }
        self.generation.clone_from(&settlement.generation);
        self.delivered += settlement.delivered;
        self.discarded += settlement.discarded;
        self.settled_at = Some(now());
        for retried in &settlement.retried {
            self.retried(retried, &settlement.generation);
        }
        for held in &settlement.held {
            self.hold(held);
        }
        for key in keys_to_promote(settlement) {
            self.promote(key, settlement.skip_dead);
            if let Some(failure) = &settlement.buries {
                self.bury(key, failure);
            }
        }
    }

    fn retried(&mut self, retried: &Retried, generation: &[String]) {
        match &retried.result {
            RetryResult::Done => {
                let place = self.places.remove(&retried.event_id);
                let held = place.and_then(|place| self.held.remove(&place));
                if let Some(request) = held.and_then(|held| held.request) {
                    *self.done.entry(request).or_default() += 1;
                }
            }
            RetryResult::Held { state, attempts, failure, messages, delivered } => {
                let Some(held) = self.places.get(&retried.event_id).and_then(|it| self.held.get_mut(it))
                else {
                    return;
                };
                held.state = State::of(*state);
                held.attempts = *attempts;
                failure.code.as_ref().clone_into(&mut held.code);
                held.detail.clone_from(&failure.detail);
                held.delivered.clone_from(delivered);
                // Only where its plugins ran for this attempt did this generation see it.
                if messages.is_some() || held.messages.is_none() {
                    held.generation = generation.to_vec();
                }
                if messages.is_some() {
                    held.messages.clone_from(messages);
                }
            }
        }
    }

    fn hold(&mut self, held: &HeldEvent) {
        if self.places.contains_key(&held.event.id) {
            return;
        }
        let place = (held.key, held.event.sequence, held.event.id.clone());
        self.places.insert(held.event.id.clone(), place.clone());
        let (code, detail) = held
            .failure
            .as_ref()
            .map(|failure| (failure.code.clone().into_owned(), failure.detail.clone()))
            .unwrap_or_default();
        let row = Held {
            event: held.event.clone(),
            state: State::of(held.state),
            messages: held.messages.clone(),
            delivered: held.delivered.clone(),
            attempts: held.attempts,
            code,
            detail,
            generation: held.generation.clone(),
            request: None,
            held_at: now(),
            rerun: None,
        };
        self.held.insert(place, row);
    }

    fn of_key(&self, key: KeyId) -> impl Iterator<Item = (&Place, &Held)> {
        self.held.range((key, 0, String::new())..).take_while(move |((of, ..), _)| *of == key)
    }

    /// Moves the next event of `key` up, as `promotion` says.
    fn promote(&mut self, key: KeyId, skip_dead: bool) {
        if self.of_key(key).any(|(_, held)| matches!(held.state, State::Parked(_))) {
            return;
        }
        let next = self.of_key(key).find(|(_, held)| !(skip_dead && held.state.is_dead()));
        let Some((place, Held { state: State::Blocked, .. })) = next else { return };
        let place = place.clone();
        self.park_now(&place);
    }

    /// Makes dead letters of the events of `key` that are blocked behind one.
    fn bury(&mut self, key: KeyId, failure: &Failure) {
        let first_dead =
            self.of_key(key).find(|(_, held)| held.state.is_dead()).map(|(place, _)| place.clone());
        let Some(first_dead) = first_dead else { return };
        let behind = self.held.range_mut(first_dead..).take_while(|((of, ..), _)| *of == key);
        for (_, held) in behind.filter(|(_, held)| held.state == State::Blocked) {
            held.state = State::Dead(now());
            failure.code.as_ref().clone_into(&mut held.code);
            held.detail.clone_from(&failure.detail);
        }
    }

    fn park_now(&mut self, place: &Place) {
        if let Some(held) = self.held.get_mut(place) {
            held.state = State::Parked(Instant::now());
        }
    }

    /// Turns the dead letters that match into events to send again; the first of each key is due at once.
    pub(super) fn revive(&mut self, filter: &DeadFilter, action: &DeadAction, request: i64) -> Vec<KeyId> {
        let mut revived = Vec::new();
        for (place, held) in self.held.iter_mut().filter(|(_, held)| matches_event(filter, held)) {
            held.state = State::Blocked;
            held.attempts = 0;
            held.request = Some(request);
            if *action != DeadAction::Retry {
                (held.rerun, held.messages) = (Some(request.unsigned_abs()), None);
                held.delivered.clear();
            }
            if let DeadAction::Replace(payload) = action {
                held.event.payload = Some(payload.clone());
            }
            revived.push(place.clone());
        }
        for place in &revived {
            let first = self.of_key(place.0).find(|(_, held)| !held.state.is_dead());
            let parked = self.of_key(place.0).any(|(_, held)| matches!(held.state, State::Parked(_)));
            if !parked && first.is_some_and(|(it, _)| it == place) {
                self.park_now(place);
            }
        }
        revived.into_iter().map(|(key, ..)| key).collect()
    }

    /// How much the dead letters that match are.
    pub(super) fn extent(&self, filter: &DeadFilter) -> Extent {
        let mut first_of_key: BTreeMap<KeyId, u64> = BTreeMap::new();
        let mut letters = 0;
        for ((key, sequence, _), _) in self.held.iter().filter(|(_, held)| matches_event(filter, held)) {
            first_of_key.entry(*key).or_insert(*sequence);
            letters += 1;
        }
        let behind = first_of_key.iter().map(|(key, first)| {
            self.of_key(*key).filter(|((_, at, _), held)| at > first && held.state == State::Blocked).count()
                as u64
        });
        Extent { letters, keys: first_of_key.len() as u64, behind: behind.sum() }
    }

    /// Adds what came of the events that `request` gave another chance here.
    pub(super) fn add_outcome(
        &self,
        request: i64,
        outcome: &mut Outcome,
        dead: &mut BTreeMap<String, DeadAgain>,
    ) {
        outcome.done += self.done.get(&request).copied().unwrap_or_default();
        for held in self.held.values().filter(|held| held.request == Some(request)) {
            if held.state.is_dead() {
                let (code, detail) = (held.code.clone(), held.detail.clone());
                dead.entry(code.clone()).or_insert(DeadAgain { code, detail, letters: 0 }).letters += 1;
            } else {
                outcome.waiting += 1;
            }
        }
    }

    /// Forgets the dead letters that match; what waited behind them moves up.
    pub(super) fn drop_dead(&mut self, filter: &DeadFilter) -> Vec<KeyId> {
        let dropped: Vec<Place> = self
            .held
            .iter()
            .filter(|(_, held)| matches_event(filter, held))
            .map(|(place, _)| place.clone())
            .collect();
        for place in &dropped {
            self.held.remove(place);
            self.places.remove(&place.2);
        }
        let keys: Vec<KeyId> = dropped.into_iter().map(|(key, ..)| key).collect();
        keys.iter().for_each(|key| self.promote(*key, false));
        keys
    }

    pub(super) fn due(&self, limit: DueLimit) -> Vec<ParkedEvent> {
        let now = Instant::now();
        let mut due: Vec<_> = self
            .held
            .iter()
            .filter_map(|(place, held)| match held.state {
                State::Parked(at) if at <= now => Some((at, place, held)),
                State::Parked(_) | State::Blocked | State::Dead(_) => None,
            })
            .collect();
        due.sort_by_key(|(at, (_, sequence, _), _)| (*at, *sequence));
        due.truncate(limit.events);
        let mut bytes = 0;
        let fits = due.iter().take_while(|(.., held)| {
            let is_first = bytes == 0;
            bytes += held.bytes();
            is_first || bytes <= limit.bytes
        });
        let fits = fits.count();
        due.truncate(fits);
        due.sort_by_key(|(_, (_, sequence, id), _)| (*sequence, id));
        due.into_iter()
            .map(|(_, (key, ..), held)| ParkedEvent {
                event: held.event.clone(),
                key: *key,
                messages: held.messages.clone(),
                delivered: held.delivered.clone(),
                attempts: held.attempts,
                rerun: held.rerun,
            })
            .collect()
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let times = self.held.values().filter_map(|held| match held.state {
            State::Parked(at) => Some(at),
            State::Blocked | State::Dead(_) => None,
        });
        times.min().map(|at| at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn summary(&self, id: &LaneId) -> LaneSummary {
        let dead = self.count_dead();
        LaneSummary {
            lane: id.clone(),
            owner: self.owner.clone(),
            term: self.term,
            leased: !self.lease_left().is_zero(),
            state: self.words.clone(),
            position: self.position.clone(),
            generation: self.generation.clone(),
            delivered: self.delivered,
            discarded: self.discarded,
            parked: self.held.len() as u64 - dead,
            dead,
            settled_at: self.settled_at,
        }
    }

    pub(super) fn held(&self, id: &LaneId, event_id: &str) -> Option<HeldRecord> {
        let place = self.places.get(event_id)?;
        let held = self.held.get(place)?;
        let ahead: Vec<_> = self.of_key(place.0).filter(|(it, _)| *it < place).collect();
        let parked = ahead.iter().find(|(_, it)| matches!(it.state, State::Parked(_)));
        let behind = parked.or_else(|| ahead.iter().find(|(_, it)| it.state.is_dead()));
        Some(HeldRecord {
            lane: id.clone(),
            event: held.event.clone(),
            waits_for: match held.state {
                State::Parked(at) => {
                    let left = at.saturating_duration_since(Instant::now()).as_micros();
                    WaitsFor::Attempt { due_at: now() + u64::try_from(left).unwrap_or_default() }
                }
                State::Blocked => WaitsFor::Key,
                State::Dead(dead_at) => WaitsFor::Operator { dead_at },
            },
            attempts: held.attempts,
            failure: (!held.code.is_empty()).then(|| (held.code.clone(), held.detail.clone())),
            delivered: held.delivered.clone(),
            generation: held.generation.clone(),
            held_at: held.held_at,
            rerun: held.rerun,
            ahead: ahead.len() as u64,
            behind: behind.map(|((.., id), _)| id.clone()),
        })
    }

    pub(super) fn queue(&self, id: &LaneId, key: KeyId) -> Option<KeyQueue> {
        let ((.., first), _) = self.of_key(key).next()?;
        Some(KeyQueue { lane: id.clone(), first: first.clone(), events: self.of_key(key).count() as u64 })
    }

    fn count_dead(&self) -> u64 {
        self.held.values().filter(|held| held.state.is_dead()).count() as u64
    }

    pub(super) fn dead<'a>(
        &'a self,
        id: &'a LaneId,
        filter: &'a DeadFilter,
    ) -> impl Iterator<Item = DeadLetter> + 'a {
        self.held.iter().filter(|(_, held)| matches_event(filter, held)).map(|(place, held)| DeadLetter {
            lane: LaneId::new(id.pipeline.as_str(), id.sink.as_str()),
            event: held.event.clone(),
            messages: held.messages.clone(),
            attempts: held.attempts,
            code: held.code.clone(),
            detail: held.detail.clone(),
            generation: held.generation.clone(),
            dead_at: if let State::Dead(at) = held.state { at } else { 0 },
            blocked: self
                .of_key(place.0)
                .filter(|(it, held)| *it > place && held.state == State::Blocked)
                .count() as u64,
        })
    }
}
