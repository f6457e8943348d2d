//! One session of a lane: from taking it over to its stop, or to the first fault that makes it start over.

mod figures;
mod writing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::counter;
use relay_engine::clock::Time;
use relay_engine::engine::{BatchId, Command, HeldBytes, HeldKey, Lane, LaneConfig};
use relay_engine::event::{EventBatch, Position};
use relay_engine::outcome::FailureClass;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::chain::Rendered;
use super::lane::{LaneEnd, LaneParts};
use super::lease::{LeaseKeeper, Ownership, uptime};
use super::live::{self, LiveBatch, LiveBatches};
use super::reader::{self, Read};
use super::sent::SentEvents;
use super::share::Share;
use super::tap::LaneTap;
use super::view::LaneView;
use crate::sink::{Report, Sink};
use crate::source::{ReadBatch, Source, Start};
use crate::store::{
    self, Acquired, Claim, DueLimit, Holder, LaneId, LaneRecord, Lease, Settlement, Store, StoreError,
};
use crate::telemetry;
use figures::SHOW_EVERY;
use writing::{Due, Effect, Written};

/// How a session ended.
pub(super) enum SessionEnd {
    /// So does the lane.
    Ended(LaneEnd),
    /// Another relay owned the lane when it was asked for.
    Held(Holder),
    /// Another relay took the lane over.
    Lost(StoreError),
    /// It was given back to be taken by another relay.
    HandedOver,
    /// Start over from settled progress, for this reason.
    Restart(String),
}

/// How long a sink may take to close: nothing waits for its answers any more.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What a lane keeps from session to session.
pub(super) struct Carried {
    /// Numbers go on, so that an answer of an old session is never taken for one of a new one.
    first_batch: BatchId,
    /// The term under which the last session ran, while the lane may still be ours.
    pub(super) owned: Option<i64>,
    sent: SentEvents,
}

impl Default for Carried {
    fn default() -> Self {
        Self { first_batch: 1, owned: None, sent: SentEvents::default() }
    }
}

type StoreResult<T> = Result<T, StoreError>;

/// Everything one session works with.
pub(super) struct Session<'p> {
    parts: &'p mut LaneParts,
    engine: Lane,
    batches: LiveBatches,
    lease: Option<Lease>,
    keeper: LeaseKeeper,
    sink: Box<dyn Sink>,
    tap: LaneTap,
    reports: mpsc::UnboundedReceiver<Report>,
    reads: mpsc::Receiver<Read>,
    recorded: Option<Position>,
    writing: Option<JoinHandle<Written>>,
    /// What is to be written when the write under way has come back.
    queued: VecDeque<(Settlement, Effect)>,
    fetching: Option<JoinHandle<StoreResult<Due>>>,
    next_requests: Instant,
    generation: Arc<[String]>,
    origin: Instant,
    stopping: Option<Instant>,
    /// It stops for another relay to go on.
    handing_over: bool,
    swapping: bool,
    halted: Option<String>,
    away: Option<String>,
    shown: Option<LaneView>,
    next_show: Instant,
    delivered_before: u64,
    /// Where the database can take rows back.
    sent: Option<&'p mut SentEvents>,
    /// From the newest delivered event's own time to its acknowledgement.
    age: Duration,
}

/// A task that ends with the session that owns it.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<'p> Session<'p> {
    /// Takes the lane over, where it is free or its owner has the term `instead_of`, and runs it.
    pub(super) async fn run(
        parts: &'p mut LaneParts,
        carried: &'p mut Carried,
        instead_of: Option<i64>,
    ) -> SessionEnd {
        let asked = uptime();
        let record = match acquire(parts, instead_of).await {
            Ok(Acquired::Taken(record)) => record,
            Ok(Acquired::Held(holder)) => return SessionEnd::Held(holder),
            Err(error) => return store_end(error),
        };
        let (term, length) = (record.lease.term, parts.settings.owner.lease);
        carried.owned = Some(term);
        let store = Arc::clone(&parts.store);
        let keeper = LeaseKeeper::start(
            &parts.shared,
            store,
            parts.id.clone(),
            term,
            length,
            asked,
            parts.views.clone(),
        );
        let (reads_out, reads) = mpsc::channel(1);
        let start = record.position.clone().map_or_else(|| parts.settings.start.clone(), Start::After);
        let source: Box<dyn Source> = (parts.source)();
        let remembers = source.can_take_back();
        let sent = carried.sent.all();
        let reader = parts.shared.spawn(reader::read(source, start, parts.settings.batch, sent, reads_out));
        let _reader = Owned(reader);

        let (reports_out, reports) = mpsc::unbounded_channel();
        let sink = (parts.sink)(reports_out);
        let release = Release::of(parts, term);
        let mut session = Self::new(parts, record, keeper, sink, reports, reads, carried.first_batch);
        session.sent = remembers.then_some(&mut carried.sent);
        let (end, sink, next_batch) = session.serve().await;
        carried.first_batch = next_batch;
        // A sink that does not close in time is abandoned: its answers are not waited for any more.
        let _ = tokio::time::timeout(CLOSE_TIME, sink.close()).await;
        if matches!(end, SessionEnd::Ended(_) | SessionEnd::HandedOver) {
            release.give_back().await;
        }
        end
    }

    fn new(
        parts: &'p mut LaneParts,
        record: LaneRecord,
        keeper: LeaseKeeper,
        sink: Box<dyn Sink>,
        reports: mpsc::UnboundedReceiver<Report>,
        reads: mpsc::Receiver<Read>,
        first_batch: BatchId,
    ) -> Self {
        let origin = Instant::now();
        let config = LaneConfig { ordered_prefix: sink.traits().ordered_prefix, ..parts.settings.engine };
        let seed = u64::try_from(record.lease.term).unwrap_or_default();
        let counted = |it: store::HeldKey| HeldKey { key: it.key, parked: it.parked, dead: it.dead };
        let held = record.held_keys.into_iter().map(counted);
        let bytes =
            HeldBytes { parked: record.parked * record.mean_bytes, dead: record.dead * record.mean_bytes };
        let engine = Lane::new(config, held, bytes, seed, first_batch, Time::default());
        let generation = parts.chain.digests().into();
        Self {
            engine,
            batches: LiveBatches::default(),
            lease: Some(record.lease),
            keeper,
            sink,
            tap: LaneTap::new(parts.tap.clone(), parts.id.clone()),
            reports,
            reads,
            recorded: record.position,
            writing: None,
            queued: VecDeque::new(),
            fetching: None,
            next_requests: origin,
            generation,
            origin,
            stopping: None,
            handing_over: false,
            swapping: false,
            halted: None,
            away: None,
            shown: None,
            next_show: origin,
            age: Duration::ZERO,
            sent: None,
            delivered_before: parts.views.all().get(&parts.id).map_or(0, |view| view.delivered),
            parts,
        }
    }

    async fn serve(mut self) -> (SessionEnd, Box<dyn Sink>, BatchId) {
        self.open_sink().await;
        let end = loop {
            if let Err(end) = self.obey().await {
                break end;
            }
            self.show();
            if let Some(end) = self.stopped() {
                break end;
            }
            if let Err(end) = self.wait().await {
                break end;
            }
        };
        (end, self.sink, self.engine.next_batch())
    }

    /// Does what the engine wants done now.
    async fn obey(&mut self) -> Result<(), SessionEnd> {
        while self.keeper.ownership() == Ownership::Ours
            && let Some(command) = self.engine.poll(self.now())
        {
            match command {
                Command::Send { batch, messages } => self.send(batch, messages).await,
                Command::Probe { batch, message } => self.probe(batch, message).await,
                Command::Reopen => self.open_sink().await,
                Command::Settle(plan) => self.settle(&plan),
                Command::FetchDue { events, bytes } => match self.parts.chain.rests_for() {
                    None => self.fetch(DueLimit { events, bytes }),
                    Some(pause) => self.postpone_retries(pause),
                },
                Command::Halted(reason) => {
                    // A plugin that rests said so itself, and comes back by itself.
                    if self.parts.chain.rests_until().is_none() {
                        tracing::error!(lane = %self.parts.id, "P162: halted by a plugin: {reason}");
                    }
                    self.halted = Some(reason);
                }
            }
        }
        if self.swapping && (self.engine.is_idle() || self.engine.is_stuck()) {
            self.swap()?;
        }
        Ok(())
    }

    async fn send(&mut self, id: BatchId, messages: Vec<u32>) {
        let Some(live) = self.batches.get(id) else { return };
        let Some(batch) = live.messages() else { return };
        if let Some(sent) = &mut self.sent {
            sent.note(live.within(), messages.iter().filter_map(|it| Some(batch.get(*it)?.event())));
        }
        self.tap.sending(id, batch, &messages, self.sink.as_ref());
        self.sink.send(id, Arc::clone(batch), messages).await;
    }

    async fn open_sink(&mut self) {
        match self.sink.open().await {
            Ok(()) => self.engine.sink_opened(),
            Err(failure) => {
                self.count_failure(&failure.code);
                let now = self.now();
                self.engine.sink_failed(now, failure);
            }
        }
    }

    async fn probe(&mut self, id: BatchId, message: u32) {
        match self.sink.open().await {
            Ok(()) => self.send(id, vec![message]).await,
            Err(failure) => {
                self.count_failure(&failure.code);
                let now = self.now();
                self.engine.failed(now, id, message, failure);
            }
        }
    }

    /// Takes the newest generations over: nothing of the old ones is under way or unrecorded. A lane that can't go on
    /// starts over with them instead, from settled progress.
    fn swap(&mut self) -> Result<(), SessionEnd> {
        self.swapping = false;
        let stuck = self.engine.is_stuck();
        self.engine.open_intake();
        match self.parts.chain.renew() {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => {
                self.generation = self.parts.chain.digests().into();
                counter!(telemetry::SWAPS, &self.labels()).increment(1);
                tracing::info!(lane = %self.parts.id, "plugin swapped: {}", changes.join(", "));
                if self.halted.is_some() || stuck {
                    return Err(SessionEnd::Restart(
                        "a new plugin generation came for a lane that could not go on".to_owned(),
                    ));
                }
            }
            Err(error) => tracing::warn!(lane = %self.parts.id, "{error}; the old generation goes on"),
        }
        Ok(())
    }

    /// Waits for the next thing that happens and takes it in.
    async fn wait(&mut self) -> Result<(), SessionEnd> {
        let may_ask = self.may_ask();
        let wake = self.wake(may_ask);
        let rests_until = self.halted.as_ref().and_then(|_| self.parts.chain.rests_until());
        let wants_batch = self.engine.wants_batch() && self.halted.is_none() && !self.swapping;
        tokio::select! {
            biased;
            report = self.reports.recv() => self.take_reports(report),
            written = joined(&mut self.writing) => { self.writing = None; self.take_written(written)? }
            () = self.keeper.changed() => {}
            due = joined(&mut self.fetching) => { self.fetching = None; self.take_due(due)? }
            () = self.parts.stop.cancelled(), if self.stopping.is_none() => {
                self.stopping = Some(Instant::now() + self.parts.settings.grace);
                self.engine.stop();
            }
            () = exceeded(self.parts.share.as_ref(), &self.parts.id), if self.stopping.is_none() => {
                self.stopping = Some(Instant::now() + self.parts.settings.grace);
                self.handing_over = true;
                self.engine.stop();
            }
            () = self.parts.chain.changed(), if !self.swapping && self.stopping.is_none() => {
                self.swapping = true;
                self.engine.close_intake();
            }
            read = self.reads.recv(), if wants_batch => self.take_read(read)?,
            () = tokio::time::sleep_until(rests_until.unwrap_or(wake).into()), if rests_until.is_some() => {
                return Err(SessionEnd::Restart("asking a plugin again that failed on nearly every event".to_owned()));
            }
            () = tokio::time::sleep_until(wake.into()) => {
                if may_ask && Instant::now() >= self.next_requests {
                    self.start_requests();
                }
            }
        }
        Ok(())
    }

    fn wake(&self, may_ask: bool) -> Instant {
        let ours = self.keeper.ownership() == Ownership::Ours;
        let engine =
            self.engine.wakes_at().filter(|_| ours).map(|at| self.origin + Duration::from_micros(at.0));
        let requests = may_ask.then_some(self.next_requests);
        let far = Instant::now() + SHOW_EVERY * 5;
        [engine, requests, self.stopping].into_iter().flatten().min().unwrap_or(far).min(far)
    }

    fn take_reports(&mut self, first: Option<Report>) {
        let mut next = first;
        while let Some(report) = next {
            self.note_age(&report);
            self.tap.answered(&report, self.batches.get(report.batch_id).and_then(LiveBatch::messages));
            self.engine.delivered(report.batch_id, &report.delivered);
            for (message, failure) in report.failed {
                if failure.class == FailureClass::Unknown {
                    counter!(telemetry::UNKNOWN, &self.labels()).increment(1);
                }
                // What is the event's own is counted with the settlement that records it.
                if matches!(failure.class, FailureClass::Unavailable | FailureClass::Unknown) {
                    self.count_failure(&failure.code);
                }
                let now = self.now();
                self.engine.failed(now, report.batch_id, message, failure);
            }
            self.release_spent(report.batch_id);
            next = self.reports.try_recv().ok();
        }
    }

    fn take_read(&mut self, read: Option<Read>) -> Result<(), SessionEnd> {
        match read {
            None => Err(SessionEnd::Restart("the reader ended".to_owned())),
            Some(Read::Rewound) => {
                Err(SessionEnd::Restart("the database went back behind what was read".to_owned()))
            }
            Some(Read::Refused(error)) => Err(SessionEnd::Ended(LaneEnd::SourceRefused(error))),
            Some(Read::Away(why)) => {
                tracing::warn!(lane = %self.parts.id, "source away: {why}");
                self.away = Some(why);
                Ok(())
            }
            Some(Read::TakenBack(events)) => {
                self.tell_taken_back(&events);
                Ok(())
            }
            Some(Read::Opened(position)) => {
                self.away = None;
                self.record_first_position(position);
                Ok(())
            }
            Some(Read::Batch(batch)) => {
                self.take_batch(batch);
                Ok(())
            }
        }
    }

    fn take_batch(&mut self, read: ReadBatch) {
        counter!(telemetry::READ, &self.labels()).increment(read.events.len() as u64);
        let rendered = self.run_chain(&read.events);
        let max = self.sink.traits().max_message;
        let pipeline = self.parts.id.pipeline.as_str().into();
        let planned = live::plan_read(&pipeline, read, rendered, Arc::clone(&self.generation), max);
        let now = self.now();
        let id = self.engine.batch(now, planned.events);
        self.batches.insert(id, planned.live);
        self.release_spent(id);
    }

    fn run_chain(&mut self, events: &Arc<EventBatch>) -> Vec<Rendered> {
        let chain = &mut self.parts.chain;
        let watch = self.tap.read(events, chain.plugins());
        let rendered = chain.run_watched(events, watch);
        self.tap.rendered(events, &rendered);
        rendered
    }

    fn release_spent(&mut self, id: BatchId) {
        if self.engine.is_spent(id) {
            self.batches.release(id);
        }
    }

    fn take_due(&mut self, due: StoreResult<Due>) -> Result<(), SessionEnd> {
        let (parked, next_due) = due.map_err(store_end)?;
        let unrendered = live::unrendered(&parked);
        let rendered = if unrendered.is_empty() { Vec::new() } else { self.run_chain(&unrendered) };
        // Events that a resting plugin was not asked about spend no attempt.
        if let Some(pause) = self.parts.chain.rests_for().filter(|_| !rendered.is_empty()) {
            self.postpone_retries(pause);
            return Ok(());
        }
        let events = live::collect(parked.iter());
        let max = self.sink.traits().max_message;
        let pipeline = self.parts.id.pipeline.as_str().into();
        let generation = Arc::clone(&self.generation);
        let planned = live::plan_retry(&pipeline, events, &parked, rendered, generation, max);
        let now = self.now();
        let id = self.engine.retry(now, planned.events, next_due);
        self.batches.insert(id, planned.live);
        let engine = &self.engine;
        self.batches.retain(|id| engine.holds(id));
        Ok(())
    }

    /// Asks for due events again after `pause`.
    fn postpone_retries(&mut self, pause: Duration) {
        let now = self.now();
        self.engine.retry(now, Vec::new(), Some(pause));
    }

    fn stopped(&self) -> Option<SessionEnd> {
        if self.keeper.ownership() == Ownership::Lost {
            let (lane, term) = (self.parts.id.to_string(), self.keeper.term());
            return Some(SessionEnd::Lost(StoreError::Lost { lane, term }));
        }
        let deadline = self.stopping?;
        let idle = self.engine.is_idle() && self.writing.is_none() && self.queued.is_empty();
        match (idle, Instant::now() >= deadline) {
            (false, false) => None,
            _ if self.handing_over => Some(SessionEnd::HandedOver),
            (true, _) => Some(SessionEnd::Ended(LaneEnd::Stopped)),
            (false, true) => Some(SessionEnd::Ended(LaneEnd::StoppedInFlight)),
        }
    }

    fn now(&self) -> Time {
        Time(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// Completes when the lane is more than this process's share of the work.
async fn exceeded(share: Option<&Share>, lane: &LaneId) {
    match share {
        Some(share) => share.exceeded(lane.shard).await,
        None => std::future::pending().await,
    }
}

/// The result of a task, when there is one; otherwise never.
async fn joined<T>(task: &mut Option<JoinHandle<T>>) -> T {
    match task {
        None => std::future::pending().await,
        Some(handle) => match handle.await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The shared runtime is shutting down, and this lane with it.
                Err(_) => std::future::pending().await,
            },
        },
    }
}

async fn acquire(parts: &LaneParts, instead_of: Option<i64>) -> StoreResult<Acquired> {
    let owner = &parts.settings.owner;
    let (name, process) = (owner.name.clone(), owner.process.clone());
    let claim = Claim { owner: name, process, length: owner.lease, instead_of };
    let (store, id) = (Arc::clone(&parts.store), parts.id.clone());
    let mut task = Some(parts.shared.spawn(async move { store.acquire(&id, &claim).await }));
    joined(&mut task).await
}

/// What giving the lane back needs.
pub(super) struct Release {
    store: Arc<dyn Store>,
    lane: LaneId,
    term: i64,
    shared: Handle,
}

impl Release {
    pub(super) fn of(parts: &LaneParts, term: i64) -> Self {
        let (store, lane, shared) = (Arc::clone(&parts.store), parts.id.clone(), parts.shared.clone());
        Self { store, lane, term, shared }
    }

    /// Where it fails, others wait for the lease to end.
    pub(super) async fn give_back(self) {
        let Self { store, lane, term, shared } = self;
        let task = shared.spawn(async move {
            if let Err(error) = store.release(&lane, term).await {
                tracing::debug!(%lane, "the lease could not be given back: {error}");
            }
        });
        let _ = tokio::time::timeout(CLOSE_TIME, task).await;
    }
}

fn store_end(error: StoreError) -> SessionEnd {
    match error {
        StoreError::Lost { .. } => SessionEnd::Lost(error),
        StoreError::Unavailable { .. } => SessionEnd::Restart(error.to_string()),
        StoreError::Refused { .. } | StoreError::Owned { .. } => {
            SessionEnd::Ended(LaneEnd::StoreRefused(error))
        }
    }
}
