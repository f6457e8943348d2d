//! Runs batches through a plugin, and keeps a fault with the event that caused it.

use std::sync::Arc;
use std::time::Instant;

use relay_engine::event::EventBatch;
use relay_engine::verdict::Verdict;

use crate::plugin::{Answer, Fault, Plugin, Tables, Tally};

use super::circuit::{Ask, CAREFULLY, Circuit};
use super::fault;
use super::generation::Loaded;
use super::guest::{Part, Scratch};
use super::instance::{Instance, StartError, Wear};
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
    /// What the guest reads instead of the tables that are granted to it.
    tables: Option<Tables>,
    /// Whether nobody is to see what the guest counts.
    is_muted: bool,
    circuit: Circuit,
}

impl LanePlugin {
    pub(super) fn new(loaded: Arc<Loaded>, instance: Instance) -> Self {
        let (scratch, circuit) = (Scratch::default(), Circuit::default());
        Self {
            loaded,
            instance: Some(instance),
            scratch,
            frozen: None,
            tables: None,
            is_muted: false,
            circuit,
        }
    }

    /// Calls the guest for `part`; after a fault its instance is gone, and nothing of the call is used.
    fn call(&mut self, part: &Part<'_>, answers: &mut Vec<Answer>) -> Result<(), Fault> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.loaded.instance().map_err(StartError::into_fault)?,
        };
        let verdicts = instance.transform(&self.loaded, part, &mut self.scratch)?;
        let limits = &self.loaded.limits;
        let mut used = instance.used();
        answers.extend(verdicts.map(|verdict| output::check(verdict, limits, &mut used)));
        if !self.is_muted {
            self.loaded.usage.note(&used, limits, &self.loaded.identity);
            instance.publish_metrics(&self.loaded.metrics);
        }
        match instance.wear() {
            None if !self.loaded.limits.instance_per_batch => self.instance = Some(instance),
            None => {}
            Some(Wear::Memory { used }) => self.loaded.tell_of_memory(used),
            Some(Wear::Age) => {}
        }
        Ok(())
    }

    /// Runs one event, which is only called faulty when it failed on an instance that saw nothing else. Appends
    /// its answer; returns its fault.
    fn run_alone(&mut self, part: &Part<'_>, index: usize, answers: &mut Vec<Answer>) -> Option<Fault> {
        let alone = Part { range: index..index + 1, ..part.clone() };
        let was_fresh = self.instance.as_ref().is_none_or(Instance::is_fresh);
        let called = match self.call(&alone, answers) {
            Err(_) if !was_fresh => self.call(&alone, answers),
            called => called,
        };
        if let Err(fault) = called {
            answers.push(Answer::Fault(fault));
        }
        match answers.last() {
            Some(Answer::Fault(fault)) => Some(fault.clone()),
            _ => None,
        }
    }

    /// Runs the events of `part` one at a time, so that a fault stays with its event, until there are too many.
    fn isolate(&mut self, part: &Part<'_>, answers: &mut Vec<Answer>) {
        for index in part.range.clone() {
            match self.run_alone(part, index, answers) {
                None => self.circuit.succeeded(1),
                Some(fault) => {
                    if self.circuit.failed(Instant::now()) {
                        self.report_failing(&fault);
                        let rest = part.range.end - index - 1;
                        answers.extend(std::iter::repeat_n(Answer::Failing(fault), rest));
                        break;
                    }
                }
            }
        }
        // What a plugin kept of a batch that it could not finish is not to be trusted.
        self.instance = None;
    }

    /// Notes the last `count` answers, some of which may break a rule.
    fn note(&mut self, count: usize, answers: &[Answer]) {
        let answers = &answers[answers.len() - count..];
        let Some(Answer::Fault(last)) = answers.iter().rfind(|it| matches!(it, Answer::Fault(_))) else {
            return self.circuit.succeeded(count);
        };
        let now = Instant::now();
        let mut opened = false;
        for answer in answers {
            match answer {
                Answer::Fault(_) => opened |= self.circuit.failed(now),
                Answer::Verdict(_) | Answer::Failing(_) => self.circuit.succeeded(1),
            }
        }
        if opened && self.circuit.until().is_some() {
            self.report_failing(last);
        }
    }

    /// Runs a batch of one event; an instance that answers lives on.
    fn run_one(&mut self, part: &Part<'_>, answers: &mut Vec<Answer>) {
        match self.run_alone(part, 0, answers) {
            None => self.circuit.succeeded(1),
            Some(fault) => {
                if self.circuit.failed(Instant::now()) {
                    self.report_failing(&fault);
                }
            }
        }
    }

    /// Runs the batch event by event, and takes faults for the events' own only once one of the first succeeded.
    fn run_carefully(&mut self, part: &Part<'_>, answers: &mut Vec<Answer>) {
        let before = answers.len();
        let mut last = None;
        for index in part.range.clone().take(CAREFULLY) {
            match self.run_alone(part, index, answers) {
                Some(fault) => last = Some(fault),
                None => {
                    tracing::info!(plugin = self.loaded.identity.name, "the plugin works again");
                    self.circuit.succeeded(1);
                    return self.isolate(&Part { range: index + 1..part.range.end, ..part.clone() }, answers);
                }
            }
        }
        let Some(fault) = last else { return };
        self.circuit.failed_again(Instant::now());
        answers.truncate(before);
        answers.extend(std::iter::repeat_n(Answer::Failing(fault), part.range.len()));
        self.instance = None;
    }

    /// Answers for events that the plugin is not asked about.
    fn leave_alone(&self, part: &Part<'_>, answers: &mut Vec<Answer>) {
        let detail = "it failed on nearly every event and rests".to_owned();
        let fault = Fault { code: fault::FAILING, detail };
        answers.extend(std::iter::repeat_n(Answer::Failing(fault), part.range.len()));
    }

    fn report_failing(&self, fault: &Fault) {
        let identity = &self.loaded.identity;
        tracing::error!(
            plugin = identity.name,
            version = identity.version,
            digest = identity.short_digest(),
            "P127: the plugin fails on nearly every event and is left alone for a while: {}: {}",
            fault.code,
            fault.detail
        );
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
    fn run(&mut self, source: &str, events: &Arc<EventBatch>, answers: &mut Vec<Answer>) {
        let before = answers.len();
        self.answer(source, events, answers);
        // A batch holds events of the outbox, all of them new, or events that are tried again.
        if events.get(0).is_some_and(|event| event.attempt() <= 1) {
            self.record(&answers[before..]);
        }
        if self.loaded.record.is_on_probation() {
            answers[before..].iter_mut().for_each(not_given_up_on);
        }
    }

    fn freeze_clock(&mut self, now: u64) {
        self.frozen = Some(now);
    }

    fn mute(&mut self) {
        self.is_muted = true;
    }

    fn freeze_tables(&mut self, tables: Tables) {
        self.tables = Some(tables);
    }

    fn tables(&self) -> Tables {
        self.loaded.tables()
    }

    fn memory(&self) -> Option<usize> {
        self.instance.as_ref().map(Instance::memory)
    }

    fn rests_until(&self) -> Option<Instant> {
        self.circuit.until()
    }
}

impl LanePlugin {
    fn answer(&mut self, source: &str, events: &Arc<EventBatch>, answers: &mut Vec<Answer>) {
        let now = self.frozen.unwrap_or_else(crate::plugin::port::now);
        let tables = self.tables.clone().unwrap_or_else(|| self.loaded.tables());
        let part = Part { source, events, range: 0..events.len(), now, tables: &tables };
        match (self.circuit.ask(Instant::now()), events.len()) {
            (Ask::Not, _) => self.leave_alone(&part, answers),
            (Ask::Carefully, _) => self.run_carefully(&part, answers),
            (Ask::Usually, 0) => {}
            (Ask::Usually, 1) => self.run_one(&part, answers),
            (Ask::Usually, count) => match self.call(&part, answers) {
                Ok(()) => self.note(count, answers),
                Err(fault) => {
                    self.report(&fault, count);
                    self.isolate(&part, answers);
                }
            },
        }
    }

    fn record(&self, answers: &[Answer]) {
        let (mut tally, mut last) = (Tally { asked: 0, failed: 0 }, None);
        for answer in answers {
            // Nobody was asked about the others.
            tally.asked += u64::from(!matches!(answer, Answer::Failing(_)));
            if matches!(answer, Answer::Fault(_) | Answer::Verdict(Verdict::Reject { .. })) {
                tally.failed += 1;
                last = Some(answer);
            }
        }
        let words = last.and_then(|answer| match answer {
            Answer::Fault(fault) => Some(format!("{}: {}", fault.code, fault.detail)),
            Answer::Verdict(Verdict::Reject { code, reason }) => {
                Some(format!("rejected as {code}: {reason}"))
            }
            _ => None,
        });
        self.loaded.record.add(tally, words);
    }
}

/// An event that a build on probation rejects is tried again: by then the build is trusted, or the one before it
/// is back.
fn not_given_up_on(answer: &mut Answer) {
    if let Answer::Verdict(Verdict::Reject { code, reason }) = answer {
        let detail = format!("rejected by a build on probation as {code}: {reason}");
        *answer = Answer::Fault(Fault { code: fault::REJECTED, detail });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, events, obedient};
    use std::sync::atomic::Ordering;

    use crate::plugin::Table;
    use crate::plugin::lookup::{LookupConfig, OriginConfig};

    use super::super::{Build, PluginConfig, PluginHost, PluginLimits};
    use super::*;

    fn plugin(limits: PluginLimits) -> LanePlugin {
        let config = PluginConfig { limits, ..config("obedient.wasm") };
        let loaded = PluginHost::new().unwrap().prepare(&config, &Build::new(obedient(), &config.config));
        let loaded = Arc::new(loaded.map_err(|refusal| refusal.what).unwrap());
        let instance = loaded.instance().unwrap();
        LanePlugin::new(loaded, instance)
    }

    #[test]
    fn an_instance_lives_from_batch_to_batch_unless_each_is_to_have_its_own() {
        let seen = |instance_per_batch| {
            let mut plugin = plugin(PluginLimits { instance_per_batch, ..PluginLimits::default() });
            let mut answers = Vec::new();
            plugin.run("shop", &events(&["i", "i"]), &mut answers);
            plugin.run("shop", &events(&["i"]), &mut answers);
            // A faulty event runs alone, and its neighbours too.
            plugin.run("shop", &events(&["i", "t"]), &mut answers);
            plugin.run("shop", &events(&["i"]), &mut answers);
            let shown = |answer: &Answer| match answer {
                Answer::Verdict(Verdict::Discard(seen)) => seen.clone(),
                _ => "fault".to_owned(),
            };
            answers.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(seen(false), ["1", "2", "3", "1", "fault", "1"]);
        assert_eq!(seen(true), ["1", "2", "1", "1", "fault", "1"]);
    }

    #[test]
    fn a_batch_sees_one_version_of_a_table_while_versions_change_beside_it() {
        let rows = |value: &str| {
            let mut table = Table::default();
            table.insert("k", value.as_bytes(), 1 << 20).unwrap();
            table
        };
        let origin = OriginConfig::Rows(std::collections::BTreeMap::new());
        let refresh = std::time::Duration::from_secs(30);
        let test = LookupConfig { name: "test".to_owned(), origin, max: 1 << 20, refresh };
        let config = PluginConfig { lookups: vec![test], ..config("obedient.wasm") };
        let loaded = PluginHost::new().unwrap().prepare(&config, &Build::new(obedient(), &config.config));
        let loaded = Arc::new(loaded.map_err(|refusal| refusal.what).unwrap());
        let mut plugin = LanePlugin::new(Arc::clone(&loaded), loaded.instance().unwrap());
        let ended = std::sync::atomic::AtomicBool::new(false);
        let mut all = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    ["1", "2", "3"].into_iter().for_each(|it| loaded.lookups[0].put(rows(it)));
                }
            });
            for _ in 0..200 {
                let mut answers = Vec::new();
                // The trap has the batch run again, one event at a time on fresh instances.
                plugin.run("shop", &events(&["k", "k", "t", "k", "a", "a"]), &mut answers);
                all.push(answers);
            }
            // Before anything may fail: the other thread would go on for ever.
            ended.store(true, Ordering::Relaxed);
        });
        let mut seen = std::collections::BTreeSet::new();
        for answers in all {
            assert!(answers[0] == answers[1] && answers[0] == answers[3], "{answers:?}");
            seen.insert(format!("{:?}", answers[0]));
        }
        assert!(seen.len() > 1, "versions did not change: {seen:?}");
    }

    #[test]
    fn what_a_plugin_uses_is_measured_and_what_nobody_is_to_see_is_not() {
        let time = std::time::Duration::from_secs(10);
        let limits = PluginLimits { output: 6 << 20, time, batch_time: time, ..PluginLimits::default() };
        let mut plugin = plugin(limits);
        plugin.run("shop", &events(&["p", "a"]), &mut Vec::new());
        assert_eq!((plugin.loaded.usage.most_made(), plugin.loaded.usage.told()), ((1, 0), 0));
        plugin.mute();
        plugin.run("shop", &events(&["o"]), &mut Vec::new());
        assert_eq!(plugin.loaded.usage.most_made(), (1, 0));
        plugin.is_muted = false;
        plugin.run("shop", &events(&["o"]), &mut Vec::new());
        assert_eq!(plugin.loaded.usage.most_made(), (1, 5 << 20));
        assert_ne!(plugin.loaded.usage.told(), 0);
    }

    #[test]
    fn a_call_that_faulted_counts_nothing_and_the_run_in_its_place_does() {
        let mut plugin = plugin(PluginLimits::default());
        let counted = |plugin: &LanePlugin| plugin.loaded.metrics.counted("test");
        plugin.run("shop", &events(&["q", "q", "a"]), &mut Vec::new());
        assert_eq!(counted(&plugin), 2);
        // Both ran in the batch that trapped; then each alone.
        plugin.run("shop", &events(&["q", "v", "q"]), &mut Vec::new());
        assert_eq!(counted(&plugin), 4);
        plugin.mute();
        plugin.run("shop", &events(&["q"]), &mut Vec::new());
        assert_eq!(counted(&plugin), 4);
    }

    #[test]
    fn a_plugin_that_needs_most_of_its_memory_is_told_of_once() {
        let time = std::time::Duration::from_secs(10);
        let limits = PluginLimits {
            memory: 6 << 20,
            output: 16 << 20,
            time,
            batch_time: time,
            ..PluginLimits::default()
        };
        let mut plugin = plugin(limits);
        let told = |plugin: &LanePlugin| plugin.loaded.has_told_of_memory.load(Ordering::Relaxed);
        plugin.run("shop", &events(&["a"]), &mut Vec::new());
        assert!(!told(&plugin));
        plugin.run("shop", &events(&["o"]), &mut Vec::new());
        assert!(told(&plugin));
    }

    fn resting() -> LanePlugin {
        let mut plugin = plugin(PluginLimits::default());
        plugin.run("shop", &events(&["t"; 28]), &mut Vec::new());
        assert_eq!(plugin.circuit.ask(Instant::now()), Ask::Not);
        plugin
    }

    fn asked_again(plugin: &mut LanePlugin, ids: &[&str]) -> Vec<&'static str> {
        plugin.circuit.rest_is_over();
        let mut answers = Vec::new();
        plugin.run("shop", &events(ids), &mut answers);
        let word = |answer: &Answer| match answer {
            Answer::Verdict(_) => "verdict",
            Answer::Fault(_) => "fault",
            Answer::Failing(_) => "failing",
        };
        answers.iter().map(word).collect()
    }

    #[test]
    fn a_resting_plugin_that_still_fails_spoils_no_further_event() {
        let mut plugin = resting();
        assert_eq!(asked_again(&mut plugin, &["t"; 20]), ["failing"; 20]);
        assert_eq!(plugin.circuit.ask(Instant::now()), Ask::Not);
    }

    #[test]
    fn one_that_works_again_goes_on_and_a_bad_event_before_that_is_bad_of_itself() {
        let mut plugin = resting();
        assert_eq!(asked_again(&mut plugin, &["t", "a", "t", "b"]), ["fault", "verdict", "fault", "verdict"]);
        assert_eq!(plugin.circuit.ask(Instant::now()), Ask::Usually);
    }
}
