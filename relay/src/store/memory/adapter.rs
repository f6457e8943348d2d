//! The port over lanes held in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use relay_engine::event::KeyId;
use tokio::time::Instant;

use super::lane::{Lane, matches, now};
use crate::store::fault::{divided, lost};
use crate::store::{
    Acquired, Applied, Claim, DeadAction, DeadAgain, DeadFilter, DeadLetter, DueLimit, Extent, HeldRecord,
    KeyQueue, LaneId, LaneSummary, Lease, Outcome, ParkedEvent, Requested, Settlement, Store, StoreError,
};

/// A store without durability: what it keeps lives as long as one of its clones.
///
/// Keeps every other promise of the port. Times are those of the tokio clock, so that a test in paused time
/// moves them. To find what is due looks at every held event of the lane.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<LaneId, Lane>,
    /// When each process that shares the parts of a pipeline's sink is gone, unless it says otherwise.
    members: BTreeMap<(String, String), HashMap<String, Instant>>,
    /// The number of a request is its place here.
    requests: Vec<Request>,
}

/// What an operator asked of one lane.
#[derive(Debug)]
struct Request {
    lane: LaneId,
    filter: DeadFilter,
    action: DeadAction,
    /// How many letters its lane's owner took up; `None` while it has not.
    taken: Option<u64>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        // No method panics half-way through a change, so what a poisoned lock guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn prepare(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn acquire<'a>(
        &'a self,
        lane: &'a LaneId,
        claim: &'a Claim,
    ) -> BoxFuture<'a, Result<Acquired, StoreError>> {
        Box::pin(async move {
            let mut state = self.state();
            let other = state.lanes.keys().find(|it| {
                it.pipeline == lane.pipeline && it.sink == lane.sink && it.shard.of != lane.shard.of
            });
            match other {
                Some(other) => Err(divided(lane, other.shard.all())),
                None => Ok(state.lanes.entry(lane.clone()).or_default().acquire(claim)),
            }
        })
    }

    fn attend<'a>(
        &'a self,
        lane: &'a LaneId,
        process: &'a str,
        length: Duration,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut state = self.state();
            let members = state.members.entry((lane.pipeline.clone(), lane.sink.clone())).or_default();
            let now = Instant::now();
            members.retain(|_, until| *until > now);
            members.insert(process.to_owned(), now + length);
            Ok(members.len() as u64 - 1)
        })
    }

    fn renew<'a>(
        &'a self,
        lane: &'a LaneId,
        term: i64,
        length: Duration,
        words: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut state = self.state();
            let renewed = state.lanes.get_mut(lane).is_some_and(|row| row.renew(term, length, words));
            if renewed { Ok(()) } else { Err(lost(lane, term)) }
        })
    }

    fn settle<'a>(
        &'a self,
        lane: &'a LaneId,
        lease: &'a mut Lease,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut state = self.state();
            let row = state.lanes.get_mut(lane).ok_or_else(|| lost(lane, lease.term))?;
            row.compare(lease).then_some(()).ok_or_else(|| lost(lane, lease.term))?;
            row.settle(settlement);
            row.advance(lease);
            Ok(())
        })
    }

    fn due<'a>(
        &'a self,
        lane: &'a LaneId,
        limit: DueLimit,
    ) -> BoxFuture<'a, Result<Vec<ParkedEvent>, StoreError>> {
        Box::pin(
            async move { Ok(self.state().lanes.get(lane).map(|row| row.due(limit)).unwrap_or_default()) },
        )
    }

    fn next_due<'a>(&'a self, lane: &'a LaneId) -> BoxFuture<'a, Result<Option<Duration>, StoreError>> {
        Box::pin(async move { Ok(self.state().lanes.get(lane).and_then(Lane::next_due)) })
    }

    fn apply_requests<'a>(
        &'a self,
        lane: &'a LaneId,
        lease: &'a mut Lease,
    ) -> BoxFuture<'a, Result<Applied, StoreError>> {
        Box::pin(async move {
            let mut state = self.state();
            let State { lanes, requests, .. } = &mut *state;
            let open = |request: &Request| request.lane == *lane && request.taken.is_none();
            if !requests.iter().any(open) {
                return Ok(Applied::default());
            }
            let row = lanes.get_mut(lane).ok_or_else(|| lost(lane, lease.term))?;
            row.compare(lease).then_some(()).ok_or_else(|| lost(lane, lease.term))?;
            let mut applied = Applied::default();
            for (number, request) in (0..).zip(requests).filter(|(_, request)| open(request)) {
                let (keys, among) = match &request.action {
                    DeadAction::Drop => (row.drop_dead(&request.filter), &mut applied.dropped),
                    action => (row.revive(&request.filter, action, number), &mut applied.parked),
                };
                request.taken = Some(keys.len() as u64);
                among.extend(keys);
            }
            row.advance(lease);
            Ok(applied)
        })
    }

    fn lanes(&self) -> BoxFuture<'_, Result<Vec<LaneSummary>, StoreError>> {
        Box::pin(async { Ok(self.state().lanes.iter().map(|(id, row)| row.summary(id)).collect()) })
    }

    fn dead<'a>(
        &'a self,
        filter: &'a DeadFilter,
        limit: usize,
        offset: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>> {
        Box::pin(async move {
            let state = self.state();
            let mut letters: Vec<DeadLetter> = state
                .lanes
                .iter()
                .filter(|(id, _)| matches(filter, id))
                .flat_map(|(id, row)| row.dead(id, filter))
                .collect();
            letters.sort_by(|a, b| {
                let place = |letter: &DeadLetter| letter.event.sequence;
                (&a.lane.pipeline, place(a), &a.lane.sink, &a.event.id).cmp(&(
                    &b.lane.pipeline,
                    place(b),
                    &b.lane.sink,
                    &b.event.id,
                ))
            });
            Ok(letters.into_iter().skip(offset).take(limit).collect())
        })
    }

    fn held<'a>(&'a self, event_id: &'a str) -> BoxFuture<'a, Result<Vec<HeldRecord>, StoreError>> {
        Box::pin(async move {
            Ok(self.state().lanes.iter().filter_map(|(id, row)| row.held(id, event_id)).collect())
        })
    }

    fn queues(&self, key: KeyId) -> BoxFuture<'_, Result<Vec<KeyQueue>, StoreError>> {
        Box::pin(
            async move { Ok(self.state().lanes.iter().filter_map(|(id, row)| row.queue(id, key)).collect()) },
        )
    }

    fn request<'a>(
        &'a self,
        filter: &'a DeadFilter,
        action: &'a DeadAction,
    ) -> BoxFuture<'a, Result<Requested, StoreError>> {
        Box::pin(async move {
            let mut state = self.state();
            let State { lanes, requests, .. } = &mut *state;
            let mut asked = Requested::default();
            for (id, row) in lanes.iter().filter(|(id, _)| matches(filter, id)) {
                let count = row.dead(id, filter).count() as u64;
                if count > 0 {
                    let bound = filter.dead_before.unwrap_or(u64::MAX).min(now() + 1);
                    let filter = DeadFilter { dead_before: Some(bound), ..filter.clone() };
                    asked.requests.push(i64::try_from(requests.len()).unwrap_or(i64::MAX));
                    asked.letters += count;
                    requests.push(Request { lane: id.clone(), filter, action: action.clone(), taken: None });
                }
            }
            Ok(asked)
        })
    }

    fn extent<'a>(&'a self, filter: &'a DeadFilter) -> BoxFuture<'a, Result<Extent, StoreError>> {
        Box::pin(async move {
            let state = self.state();
            let lanes = state.lanes.iter().filter(|(id, _)| matches(filter, id));
            Ok(lanes.map(|(_, row)| row.extent(filter)).sum())
        })
    }

    fn outcome<'a>(&'a self, requests: &'a [i64]) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(async move {
            let state = self.state();
            let mut outcome = Outcome::default();
            let mut dead: BTreeMap<String, DeadAgain> = BTreeMap::new();
            for number in requests {
                let Some(request) = usize::try_from(*number).ok().and_then(|it| state.requests.get(it))
                else {
                    continue;
                };
                match request.taken {
                    Some(taken) => outcome.taken += taken,
                    None => outcome.open.push(request.lane.clone()),
                }
                if let Some(row) = state.lanes.get(&request.lane) {
                    row.add_outcome(*number, &mut outcome, &mut dead);
                }
            }
            outcome.dead = dead.into_values().collect();
            outcome.dead.sort_by_key(|it| std::cmp::Reverse(it.letters));
            Ok(outcome)
        })
    }
}
