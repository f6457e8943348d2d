//! Runs batches through a plugin, and keeps a fault with the event that caused it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use relay_engine::event::EventBatch;

use crate::plugin::{Answer, Fault, Plugin};

use super::generation::Loaded;
use super::guest::{Part, Scratch};
use super::instance::{Instance, StartError};
use super::output;

/// One lane's plugin.
///
/// Between batches it holds an instance, unless the last one was dropped after a fault or was worn: the next
/// batch then makes a fresh one.
pub(super) struct LanePlugin {
    loaded: Arc<Loaded>,
    instance: Option<Instance>,
    scratch: Scratch,
    /// What the guest's clock shows instead of the real time.
    frozen: Option<u64>,
}

impl LanePlugin {
    pub(super) fn new(loaded: Arc<Loaded>, instance: Instance) -> Self {
        Self { loaded, instance: Some(instance), scratch: Scratch::default(), frozen: None }
    }

    /// Calls the guest for `part`; after a fault its instance is gone, and nothing of the call is used.
    fn call(&mut self, part: &Part<'_>, answers: &mut Vec<Answer>) -> Result<(), Fault> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.loaded.instance().map_err(StartError::into_fault)?,
        };
        let verdicts = instance.transform(&self.loaded, part, &mut self.scratch)?;
        answers.extend(verdicts.map(|verdict| output::check(verdict, &self.loaded.limits)));
        if !instance.is_worn() {
            self.instance = Some(instance);
        }
        Ok(())
    }

    /// Runs one event, which is only called faulty when it failed on an instance that saw nothing else.
    fn run_alone(&mut self, alone: &Part<'_>, answers: &mut Vec<Answer>) {
        let was_fresh = self.instance.as_ref().is_none_or(Instance::is_fresh);
        let answer = match self.call(alone, answers) {
            Err(_) if !was_fresh => self.call(alone, answers),
            answer => answer,
        };
        if let Err(fault) = answer {
            answers.push(Answer::Fault(fault));
        }
    }

    /// Runs the events of `part` one at a time, so that a fault stays with its event.
    fn isolate(&mut self, part: &Part<'_>, answers: &mut Vec<Answer>) {
        for index in part.range.clone() {
            self.run_alone(&Part { range: index..index + 1, ..part.clone() }, answers);
        }
        // What a plugin kept of a batch that it could not finish is not to be trusted.
        self.instance = None;
    }

    fn report(&self, fault: &Fault, events: usize) {
        let identity = &self.loaded.identity;
        tracing::warn!(
            plugin = identity.name,
            digest = identity.short_digest(),
            code = fault.code,
            events,
            "a plugin faulted; its batch runs again one event at a time: {}",
            fault.detail
        );
    }
}

impl Plugin for LanePlugin {
    fn run(&mut self, source: &str, events: &EventBatch, answers: &mut Vec<Answer>) {
        let part = Part {
            source,
            events,
            range: 0..events.len(),
            now: self.frozen.unwrap_or_else(micros_since_epoch),
        };
        match events.len() {
            0 => {}
            1 => self.run_alone(&part, answers),
            count => {
                if let Err(fault) = self.call(&part, answers) {
                    self.report(&fault, count);
                    self.isolate(&part, answers);
                }
            }
        }
    }

    fn freeze_clock(&mut self, now: u64) {
        self.frozen = Some(now);
    }

    fn memory(&self) -> Option<usize> {
        self.instance.as_ref().map(Instance::memory)
    }
}

/// A clock before 1970 shows 1970: no plugin can do better with it.
fn micros_since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
