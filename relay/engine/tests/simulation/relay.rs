//! One relay: the shell around the real engine, as `relay/src/pipeline/session.rs` is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use relay_engine::clock::Time;
use relay_engine::engine::{BatchId, HeldState, Lane, RetryResult, SettlePlan};

use crate::store::{Lease, Row, Settlement, State};

/// One process.
pub(crate) struct Relay {
    /// How far its clock is ahead of the world's.
    pub(crate) clock: u64,
    /// Until which step it stands still.
    pub(crate) frozen_until: usize,
    pub(crate) session: Option<Session>,
    pub(crate) next_batch: BatchId,
}

/// The events and messages that a batch number stands for.
pub(crate) struct Live {
    pub(crate) is_retry: bool,
    pub(crate) events: Vec<usize>,
    /// Whether each event was rendered.
    pub(crate) rendered: Vec<bool>,
    pub(crate) messages: Vec<(usize, u32)>,
}

/// What became of a message within one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    InFlight,
    Acknowledged,
    Failed,
}

pub(crate) enum Write {
    Settle(Settlement),
    Requests,
}

/// The question what is due. The store reads its answer some time before that arrives: what is recorded in between
/// is not in it.
pub(crate) enum Fetch {
    /// For this many events at most.
    Asked(usize),
    Read(Due),
}

/// Parked events as they stood when the store was read.
pub(crate) struct Due {
    pub(crate) rows: Vec<(usize, Row)>,
    /// Where none is due: how long until one is.
    pub(crate) next: Option<Duration>,
}

/// A lane from taking it over to its end.
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) lane: Lane,
    pub(crate) lease: Lease,
    /// The next event to read.
    pub(crate) read: usize,
    pub(crate) live: HashMap<BatchId, Live>,
    pub(crate) sent: HashMap<(usize, u32), Sent>,
    /// Messages it sent that none of its settlements covers: what the next owner may send again.
    pub(crate) open: HashSet<(usize, u32)>,
    pub(crate) writing: Option<Write>,
    pub(crate) queued: VecDeque<Write>,
    pub(crate) fetching: Option<Fetch>,
    pub(crate) stopping: bool,
    pub(crate) swapping: bool,
    pub(crate) halted: bool,
    /// Something came in since the engine was last asked.
    pub(crate) touched: bool,
}

impl Session {
    pub(crate) fn new(id: u64, lane: Lane, lease: Lease, read: usize) -> Self {
        Self {
            id,
            lane,
            lease,
            read,
            live: HashMap::new(),
            sent: HashMap::new(),
            open: HashSet::new(),
            writing: None,
            queued: VecDeque::new(),
            fetching: None,
            stopping: false,
            swapping: false,
            halted: false,
            touched: true,
        }
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.queued.push_back(write);
        self.write_next();
    }

    /// One write at a time: the lease travels with it.
    pub(crate) fn write_next(&mut self) {
        if self.writing.is_none() {
            self.writing = self.queued.pop_front();
        }
    }

    fn event(&self, batch: BatchId, event: u32) -> (usize, bool) {
        let live = &self.live[&batch];
        (live.events[event as usize], live.rendered[event as usize])
    }

    fn slots(&self, batch: BatchId, messages: &[u32]) -> Vec<u32> {
        messages.iter().map(|it| self.live[&batch].messages[*it as usize].1).collect()
    }

    /// From the engine's settlement, in numbers, to the store's, as `relay/src/pipeline/settle.rs` does it.
    pub(crate) fn resolve(
        &self,
        plan: &SettlePlan,
        store_now: Time,
        key: impl Fn(usize) -> u64,
    ) -> Settlement {
        let row = |event: usize, rendered, state, attempts, delivered| {
            let state = match state {
                HeldState::Parked { after } => State::Parked(store_now + after),
                HeldState::Blocked => State::Blocked,
                HeldState::Dead => State::Dead,
            };
            Row { key: key(event), state, attempts, delivered, rendered }
        };
        let held = plan.held.iter().map(|held| {
            let (event, rendered) = self.event(held.at.batch, held.at.event);
            let delivered = self.slots(held.at.batch, &held.delivered);
            (event, row(event, rendered, held.state, held.attempts, delivered))
        });
        let retried = plan.retried.iter().map(|retried| {
            let (event, rendered) = self.event(retried.at.batch, retried.at.event);
            let held = match &retried.result {
                RetryResult::Done => None,
                RetryResult::Held { state, attempts, delivered, .. } => {
                    let delivered = self.slots(retried.at.batch, delivered);
                    Some(row(event, rendered, *state, *attempts, delivered))
                }
            };
            (event, held)
        });
        let passed = |at: relay_engine::engine::EventAt| self.event(at.batch, at.event).0 + 1;
        Settlement {
            settled: plan.progress.map(|progress| passed(progress.through)),
            held: held.collect(),
            retried: retried.collect(),
        }
    }
}
