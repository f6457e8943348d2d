//! One instance of a plugin and the calls into it.

use std::sync::Arc;
use std::time::Duration;

use relay_engine::verdict::Verdict;
use wasmtime::Store;

use crate::plugin::Fault;

use super::batch::CurrentBatch;
use super::config::PluginLimits;
use super::engine::PluginEngine;
use super::fault;
use super::generation::Loaded;
use super::guest::{Description, Guest, Part, Problem, Scratch};
use super::metrics::GuestMetrics;
use super::state::GuestState;
use super::usage::Used;

/// Events after which an instance gives way to a fresh one. A plugin that keeps 100 bytes of every event then
/// stays below 10 MiB, and a fresh instance, some 15 µs without its `configure`, costs nothing per event.
const LIFETIME_IN_EVENTS: usize = 100_000;

/// Bytes of one event's verdict beside its messages: reasons and codes.
const VERDICT_SIZE: usize = 8 << 10;

/// Bytes of one message beside its key, body and headers, as the host holds it.
const MESSAGE_SIZE: usize = 512;

/// Bytes that one call may hand to the host; a batch that makes more runs again event by event, so the limit
/// binds the host's memory and not the plugin's work.
const LARGEST_ANSWER: usize = 64 << 20;

/// Bytes that a plugin may say of itself and of its configuration: the longest schemas have some 100 KiB.
const LARGEST_INTRODUCTION: usize = 4 << 20;

/// Why no instance could be had.
#[derive(Debug)]
pub(super) enum StartError {
    /// It could not be made.
    Instantiate(Fault),
    /// It faulted in `configure`.
    Configure(Fault),
    /// It does not take its configuration.
    Refused(Vec<Problem>),
}

/// Why an instance gives way to a fresh one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wear {
    /// It saw many events.
    Age,
    /// It holds most of the memory it may have: this many bytes.
    Memory { used: usize },
}

/// One instance. Drop it after any fault: wasmtime lets no call into a store that trapped.
pub(super) struct Instance {
    store: Store<GuestState>,
    guest: Guest,
    events: usize,
    /// What the last call about events used.
    used: Used,
}

impl Instance {
    /// A fresh instance that is not configured yet.
    pub(super) fn new(loaded: &Loaded) -> Result<Self, Fault> {
        let state = GuestState::new(Arc::clone(&loaded.log), &loaded.limits);
        let mut store = Store::new(loaded.engine.wasmtime(), state);
        // Each call of a batch sets its own.
        store.set_hostcall_fuel(LARGEST_INTRODUCTION);
        store.limiter(|state| &mut state.memory);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().deadline.tick()));
        let limits = &loaded.limits;
        let guest =
            timed(&mut store, &loaded.engine, limits.batch_time, |store| loaded.linked.instantiate(store))?;
        Ok(Self { store, guest, events: 0, used: Used::default() })
    }

    /// What the plugin says about itself.
    pub(super) fn describe(&mut self, loaded: &Loaded) -> Result<Description, Fault> {
        let guest = &self.guest;
        timed(&mut self.store, &loaded.engine, loaded.limits.batch_time, |store| guest.describe(store))
    }

    /// Hands the configuration over; afterwards the instance is ready for batches.
    pub(super) fn configure(mut self, loaded: &Loaded) -> Result<Self, StartError> {
        let guest = &self.guest;
        let time = loaded.limits.batch_time;
        let problems =
            timed(&mut self.store, &loaded.engine, time, |store| guest.configure(store, &loaded.config))
                .map_err(StartError::Configure)?;
        if problems.is_empty() { Ok(self) } else { Err(StartError::Refused(problems)) }
    }

    /// Runs the plugin over `part` and returns as many verdicts as it has events.
    pub(super) fn transform(
        &mut self,
        loaded: &Loaded,
        part: &Part<'_>,
        scratch: &mut Scratch,
    ) -> Result<impl ExactSizeIterator<Item = Verdict> + use<>, Fault> {
        let events = part.range.len();
        self.events += events;
        self.store.data_mut().seed = None;
        self.store.set_hostcall_fuel(largest_answer(&loaded.limits, events));
        let state = self.store.data_mut();
        state.now = part.now;
        state.batch = Some(CurrentBatch::new(part.source, part.events, part.range.clone()));
        state.metrics.begin();
        state.lookup.begin(part.tables, loaded.limits.lookup, events);
        let guest = &self.guest;
        let time = time_of(&loaded.limits, events);
        let verdicts =
            timed(&mut self.store, &loaded.engine, time, |store| guest.transform(store, part, scratch));
        // Not kept alive by an instance that waits for the next one.
        self.store.data_mut().batch = None;
        let verdicts = verdicts?;
        let time = self.store.data().deadline.took();
        let allowed = self.store.data().deadline.limit();
        self.used = Used { memory: self.memory(), time, allowed, events, ..Used::default() };
        if verdicts.len() != events {
            let detail = format!("answered {events} events with {} verdicts", verdicts.len());
            return Err(Fault { code: fault::LENGTH, detail });
        }
        Ok(verdicts)
    }

    /// What the last call used, but for what its verdicts hold.
    pub(super) fn used(&self) -> Used {
        self.used
    }

    /// What the last call counted takes effect.
    pub(super) fn publish_metrics(&mut self, metrics: &GuestMetrics) {
        self.store.data_mut().metrics.publish(metrics);
    }

    /// Bytes of its memories and tables.
    pub(super) fn memory(&self) -> usize {
        self.store.data().memory.used()
    }

    /// Whether it saw no event yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.events == 0
    }

    /// Why a fresh instance should take its place, if one should.
    pub(super) fn wear(&self) -> Option<Wear> {
        let memory = &self.store.data().memory;
        if memory.is_nearly_full() {
            return Some(Wear::Memory { used: memory.used() });
        }
        (self.events >= LIFETIME_IN_EVENTS).then_some(Wear::Age)
    }
}

/// Calls into the guest under its limits of time.
fn timed<T>(
    store: &mut Store<GuestState>,
    engine: &PluginEngine,
    time: Duration,
    call: impl FnOnce(&mut Store<GuestState>) -> wasmtime::Result<T>,
) -> Result<T, Fault> {
    store.data_mut().start(time);
    // The first tick sets the start of the count, whenever it comes.
    store.set_epoch_deadline(1);
    let running = engine.running();
    let answer = call(store);
    drop(running);
    store.data_mut().finish();
    answer.map_err(|error| fault::of_call(&error, store.data()))
}

fn time_of(limits: &PluginLimits, events: usize) -> Duration {
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    let each = limits.time.saturating_mul(events);
    // One event alone has its own limit even where the batch's is lower.
    if events <= 1 { each } else { each.min(limits.batch_time) }
}

fn largest_answer(limits: &PluginLimits, events: usize) -> usize {
    let one = limits.output + limits.messages * MESSAGE_SIZE + VERDICT_SIZE;
    one.saturating_mul(events).min(LARGEST_ANSWER.max(one))
}
