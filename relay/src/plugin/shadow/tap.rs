//! Where batches leave a lane for another build.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use relay_engine::event::EventBatch;

use crate::plugin::{Answer, Generation, Tables};
use crate::telemetry;

use super::worker;

/// Batches that may wait. More would only be memory: a thread that is behind now will be behind then.
const WAITING: usize = 4;

/// A batch as a lane saw it.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) source: String,
    /// The short digest of the build that runs.
    pub(super) running: Arc<str>,
    /// What the guest's clock showed, in microseconds since the Unix epoch.
    pub(super) now: u64,
    /// The lookup tables that the guest read.
    pub(super) tables: Tables,
    pub(super) events: Arc<EventBatch>,
    pub(super) answers: Vec<Answer>,
}

/// What was compared so far.
#[derive(Debug, Default)]
pub struct Tally {
    compared: AtomicU64,
    differing: AtomicU64,
    skipped: AtomicU64,
}

impl Tally {
    /// Events that went through both builds, those that came out otherwise, and those that were left out.
    #[must_use]
    pub fn so_far(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.compared), read(&self.differing), read(&self.skipped))
    }

    pub(super) fn add(&self, plugin: &str, compared: u64, differing: u64, skipped: u64) {
        let counts = [
            (&self.compared, telemetry::SHADOW_COMPARED, compared),
            (&self.differing, telemetry::SHADOW_DIFFERING, differing),
            (&self.skipped, telemetry::SHADOW_SKIPPED, skipped),
        ];
        for (counter, metric, count) in counts {
            counter.fetch_add(count, Ordering::Relaxed);
            metrics::counter!(metric, "plugin" => plugin.to_owned()).increment(count);
        }
    }
}

/// Where batches of one plugin leave its lanes for another build, as long as there is one.
#[derive(Debug)]
pub struct ShadowTap {
    plugin: String,
    is_on: AtomicBool,
    other: Mutex<Option<Other>>,
}

/// The thread that runs the other build; it ends when this is dropped.
#[derive(Debug)]
struct Other {
    samples: Option<SyncSender<Sample>>,
    waiting: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
}

impl ShadowTap {
    /// A tap of `plugin` that is closed.
    #[must_use]
    pub fn new(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), is_on: AtomicBool::new(false), other: Mutex::default() }
    }

    /// Runs `other` beside what is live from now on, or nothing. Waits for a batch that the one before still runs.
    pub fn set(&self, other: Option<Arc<dyn Generation>>) -> std::io::Result<Option<Arc<Tally>>> {
        self.is_on.store(false, Ordering::Relaxed);
        let before = self.other.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(before);
        let Some(other) = other else { return Ok(None) };
        let other = Other::start(&self.plugin, other)?;
        let tally = Arc::clone(&other.tally);
        *self.other.lock().unwrap_or_else(PoisonError::into_inner) = Some(other);
        self.is_on.store(true, Ordering::Relaxed);
        Ok(Some(tally))
    }

    /// Whether there is another build.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Hands a batch of so many events over, if there is room; only then are its answers copied.
    pub(super) fn offer(&self, events: usize, sample: impl FnOnce() -> Sample) {
        let other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(other) = &*other else { return };
        let has_room = other.waiting.load(Ordering::Relaxed) < WAITING;
        let sent = has_room
            && other.samples.as_ref().is_some_and(|it| {
                other.waiting.fetch_add(1, Ordering::Relaxed);
                it.try_send(sample()).is_ok()
            });
        if !sent {
            other.tally.add(&self.plugin, 0, 0, events as u64);
        }
    }
}

impl Other {
    fn start(plugin: &str, generation: Arc<dyn Generation>) -> std::io::Result<Self> {
        let (samples, received) = sync_channel(WAITING);
        let (waiting, stop, tally) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default(), Arc::<Tally>::default());
        let worker = worker::Worker {
            plugin: plugin.to_owned(),
            generation,
            waiting: Arc::clone(&waiting),
            stop: Arc::clone(&stop),
            tally: Arc::clone(&tally),
        };
        let thread = thread::Builder::new().name(format!("shadow {plugin}"));
        let thread = thread.spawn(move || worker.run(&received))?;
        Ok(Self { samples: Some(samples), waiting, stop, tally, thread: Some(thread) })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.samples = None;
        // A panic of it was printed when it happened, and there is nothing to save.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
