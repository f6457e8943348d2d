//! The port over lanes held in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use relay_engine::event::KeyId;

use super::lane::{Lane, matches, now};
use crate::store::fault::lost;
use crate::store::{
    Acquired, Applied, Claim, DeadAction, DeadFilter, DeadLetter, HeldRecord, KeyQueue, LaneId, LaneSummary,
    Lease, ParkedEvent, Settlement, Store, StoreError,
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
    requests: Vec<Request>,
    next_request: u64,
}

/// What an operator asked of one lane.
#[derive(Debug)]
struct Request {
    number: u64,
    lane: LaneId,
    filter: DeadFilter,
    action: DeadAction,
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
        Box::pin(async move { Ok(self.state().lanes.entry(lane.clone()).or_default().acquire(claim)) })
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
        limit: usize,
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
            if requests.iter().all(|request| request.lane != *lane) {
                return Ok(Applied::default());
            }
            let row = lanes.get_mut(lane).ok_or_else(|| lost(lane, lease.term))?;
            row.compare(lease).then_some(()).ok_or_else(|| lost(lane, lease.term))?;
            let mut applied = Applied::default();
            for request in requests.extract_if(.., |request| request.lane == *lane) {
                match request.action {
                    DeadAction::Drop => applied.dropped.extend(row.drop_dead(&request.filter)),
                    action => applied.parked.extend(row.revive(&request.filter, &action, request.number)),
                }
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
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut state = self.state();
            let State { lanes, requests, next_request } = &mut *state;
            let mut asked = 0;
            for (id, row) in lanes.iter().filter(|(id, _)| matches(filter, id)) {
                let count = row.dead(id, filter).count() as u64;
                if count > 0 {
                    *next_request += 1;
                    let bound = filter.dead_before.unwrap_or(u64::MAX).min(now() + 1);
                    let filter = DeadFilter { dead_before: Some(bound), ..filter.clone() };
                    let (lane, action) = (id.clone(), action.clone());
                    requests.push(Request { number: *next_request, lane, filter, action });
                    asked += count;
                }
            }
            Ok(asked)
        })
    }
}
