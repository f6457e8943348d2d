//! Writes to the store, one at a time: the lease travels with the write and comes back with its result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::counter;
use relay_engine::engine::SettlePlan;
use relay_engine::event::Position;

use super::{Session, SessionEnd, StoreResult, store_end};
use crate::pipeline::settle;
use crate::store::{Applied, DueLimit, LaneId, Lease, ParkedEvent, Settlement, Store};
use crate::telemetry;

/// How often operators' requests are looked for.
pub(super) const REQUESTS_EVERY: Duration = Duration::from_secs(1);

/// Parked events that are due, and where none is, how long until the next will be.
pub(super) type Due = (Vec<ParkedEvent>, Option<Duration>);

/// What a write came to.
pub(super) struct Written {
    lease: Lease,
    result: StoreResult<Effect>,
}

/// What was written.
pub(super) enum Effect {
    /// Where reading began.
    FirstPosition,
    /// The engine's settlement.
    Settlement,
    /// Operators' requests.
    Requests(Applied),
}

impl Session<'_> {
    pub(super) fn settle(&mut self, plan: &SettlePlan) {
        let on_dead = self.parts.settings.engine.on_dead;
        let settlement = settle::settlement(plan, &self.batches, self.generation.to_vec(), on_dead);
        self.log_failures(&settlement);
        let labels = self.labels();
        counter!(telemetry::DELIVERED, &labels).increment(settlement.delivered);
        counter!(telemetry::DISCARDED, &labels).increment(settlement.discarded);
        counter!(telemetry::SETTLEMENTS, &labels).increment(1);
        self.write(settlement, Effect::Settlement);
    }

    /// Writes now, or when the write under way has come back.
    fn write(&mut self, settlement: Settlement, effect: Effect) {
        self.queued.push_back((settlement, effect));
        self.write_next();
    }

    fn write_next(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let Some((settlement, effect)) = self.queued.pop_front() else {
            self.lease = Some(lease);
            return;
        };
        let (store, id) = (Arc::clone(&self.parts.store), self.parts.id.clone());
        self.writing = Some(self.parts.shared.spawn(async move {
            let result = store.settle(&id, &mut lease, &settlement).await.map(|()| effect);
            Written { lease, result }
        }));
    }

    /// With `start = "now"` the place where reading began must survive a crash before the first settlement.
    pub(super) fn record_first_position(&mut self, position: Position) {
        tracing::info!(lane = %self.parts.id, %position, "reading");
        let nothing_read = self.engine.next_batch() == self.engine.first_batch();
        if nothing_read && self.recorded.as_ref() != Some(&position) {
            let generation = self.generation.to_vec();
            let settlement = Settlement { position: Some(position), generation, ..Settlement::default() };
            self.write(settlement, Effect::FirstPosition);
        }
    }

    pub(super) fn fetch(&mut self, limit: DueLimit) {
        let (store, id) = (Arc::clone(&self.parts.store), self.parts.id.clone());
        self.fetching =
            Some(self.parts.shared.spawn(async move { fetch_due(store.as_ref(), &id, limit).await }));
    }

    pub(super) fn start_requests(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        self.next_requests = Instant::now() + REQUESTS_EVERY;
        let (store, id) = (Arc::clone(&self.parts.store), self.parts.id.clone());
        self.writing = Some(self.parts.shared.spawn(async move {
            let result = store.apply_requests(&id, &mut lease).await.map(Effect::Requests);
            Written { lease, result }
        }));
    }

    pub(super) fn take_written(&mut self, written: Written) -> Result<(), SessionEnd> {
        self.lease = Some(written.lease);
        let now = self.now();
        match written.result.map_err(store_end)? {
            Effect::FirstPosition => {}
            Effect::Settlement => {
                self.engine.settled(now);
                let engine = &self.engine;
                self.batches.retain(|id| engine.holds(id));
            }
            Effect::Requests(applied) => {
                let Applied { parked, dropped } = &applied;
                if applied.letters() > 0 {
                    let (again, dropped) = (parked.len(), dropped.len());
                    tracing::info!(lane = %self.parts.id, again, dropped, "dead letters: what operators asked for");
                }
                self.engine.parked_again(now, parked);
                self.engine.dropped(now, dropped);
            }
        }
        self.write_next();
        // Where one settlement follows the other, this is the only moment for them.
        if self.may_ask() && Instant::now() >= self.next_requests {
            self.start_requests();
        }
        Ok(())
    }

    pub(super) fn may_ask(&self) -> bool {
        self.lease.is_some() && self.stopping.is_none() && self.halted.is_none()
    }
}

async fn fetch_due(store: &dyn Store, lane: &LaneId, limit: DueLimit) -> StoreResult<Due> {
    let due = store.due(lane, limit).await?;
    let next = if due.is_empty() { store.next_due(lane).await? } else { None };
    Ok((due, next))
}
