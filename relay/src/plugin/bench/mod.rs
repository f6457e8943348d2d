//! What a plugin costs: time per event, memory and output, beside what it is allowed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use relay_engine::event::EventBatch;
use relay_engine::message::Content;
use relay_engine::verdict::Verdict;

use crate::plugin::golden::{self, Case, Suite};
use crate::plugin::host::{Build, PluginConfig, PluginLimits};
use crate::plugin::{Answer, Generation, Plugin, PluginError, Tables};

/// Events of one batch: what a busy lane reads at once.
pub const BATCH: usize = 100;

/// Batches before the first that counts: the guest's memory grows and caches fill.
const WARM_UP: usize = 20;

/// Runs of each case alone; the fastest of them is what the case needs.
const RUNS_ALONE: usize = 50;

/// What a plugin costs over one file of cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The file.
    pub file: String,
    /// Its cases, which were run in turn.
    pub cases: usize,
    /// Compiling, linking and configuring.
    pub load: Duration,
    /// Making one more instance.
    pub instance: Duration,
    /// Events that were measured.
    pub events: usize,
    /// Time per event in the middle one of all batches.
    pub median: Duration,
    /// Time per event in all but the slowest hundredth of batches.
    pub slowest_hundredth: Duration,
    /// The case that takes longest alone, and how long.
    pub slowest: (String, Duration),
    /// Bytes of memory behind the first batches.
    pub memory_before: usize,
    /// Bytes of memory in the end. A plugin that grows is given a fresh instance in time, and should not.
    pub memory_after: usize,
    /// The most messages that one event made.
    pub messages: usize,
    /// The most bytes of keys, bodies and headers that one event made.
    pub output: usize,
    /// What it is allowed.
    pub limits: PluginLimits,
}

/// Runs the cases of each of `suites` over and over, at least `events` events each, through the component `bytes`.
///
/// # Errors
/// The step that refused the component or a configuration.
pub fn bench(name: &str, bytes: &[u8], suites: &[Suite], events: usize) -> Result<Vec<Figures>, PluginError> {
    let host = golden::host(name, None)?;
    let mut all = Vec::new();
    for suite in suites.iter().filter(|it| !it.cases.is_empty()) {
        let config = PluginConfig::new(name, &suite.file, suite.config.clone());
        let started = Instant::now();
        let generation = host.load_build(&config, &Build::new(bytes.to_vec(), &config.config))?;
        all.push(measure(&*generation, suite, events, started.elapsed(), config.limits)?);
    }
    Ok(all)
}

fn measure(
    generation: &dyn Generation,
    suite: &Suite,
    events: usize,
    load: Duration,
    limits: PluginLimits,
) -> Result<Figures, PluginError> {
    let started = Instant::now();
    let mut plugin = generation.instantiate()?;
    plugin.freeze_tables(Tables::written(&suite.lookups));
    let instance = started.elapsed();
    let batch = batch(suite.cases.iter().cycle().take(BATCH), generation)?;
    let mut answers = Vec::with_capacity(BATCH);
    let mut timed = |plugin: &mut dyn Plugin| {
        answers.clear();
        let started = Instant::now();
        plugin.run("shop", &batch, &mut answers);
        started.elapsed()
    };
    for _ in 0..WARM_UP {
        timed(&mut *plugin);
    }
    let memory_before = plugin.memory().unwrap_or_default();
    let mut times: Vec<Duration> = (0..events.div_ceil(BATCH)).map(|_| timed(&mut *plugin)).collect();
    times.sort_unstable();
    let each =
        |share: usize| times.get((times.len() - 1) * share / 100).copied().unwrap_or_default() / BATCH as u32;
    let (slowest, messages, output) = alone(generation, suite)?;
    Ok(Figures {
        file: suite.file.clone(),
        cases: suite.cases.len(),
        load,
        instance,
        events: times.len() * BATCH,
        median: each(50),
        slowest_hundredth: each(99),
        slowest,
        memory_before,
        memory_after: plugin.memory().unwrap_or_default(),
        messages,
        output,
        limits,
    })
}

/// The slowest case with its time, the most messages and the most bytes.
fn alone(
    generation: &dyn Generation,
    suite: &Suite,
) -> Result<((String, Duration), usize, usize), PluginError> {
    let mut plugin = generation.instantiate()?;
    plugin.freeze_tables(Tables::written(&suite.lookups));
    let mut slowest = (String::new(), Duration::ZERO);
    let (mut messages, mut output) = (0, 0);
    for case in &suite.cases {
        let one = batch(std::iter::once(case), generation)?;
        let mut answers = Vec::new();
        let mut fastest = Duration::MAX;
        for _ in 0..RUNS_ALONE {
            answers.clear();
            let started = Instant::now();
            plugin.run("shop", &one, &mut answers);
            fastest = fastest.min(started.elapsed());
        }
        if fastest > slowest.1 {
            slowest = (case.name.clone(), fastest);
        }
        if let Some(Answer::Verdict(Verdict::Publish(all))) = answers.first() {
            messages = messages.max(all.len());
            let size = |content: &Content| match content {
                Content::Bytes(bytes) => bytes.len(),
                Content::Unchanged | Content::Absent => 0,
            };
            let headers =
                |all: &[(String, Vec<u8>)]| -> usize { all.iter().map(|(a, b)| a.len() + b.len()).sum() };
            output =
                output.max(all.iter().map(|it| size(&it.key) + size(&it.body) + headers(&it.headers)).sum());
        }
    }
    Ok((slowest, messages, output))
}

fn batch<'a>(
    cases: impl Iterator<Item = &'a Case>,
    generation: &dyn Generation,
) -> Result<Arc<EventBatch>, PluginError> {
    let mut batch = EventBatch::default();
    for case in cases {
        golden::push_row(&case.event, &mut batch).map_err(|full| PluginError {
            code: "P165",
            plugin: generation.identity().name.clone(),
            what: full.to_string(),
            remedy: "use smaller events in the cases".to_owned(),
        })?;
    }
    Ok(Arc::new(batch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::host::testing::obedient;

    #[test]
    fn figures_are_those_of_the_cases() {
        let case = |id: &str| {
            format!(
                "[[case]]\nname = {id:?}\nevent = {{ id = {id:?}, aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" }}\n"
            )
        };
        let suite = Suite::parse("a.toml", &(case("p") + &case("x"))).unwrap();
        let figures = bench("test", &obedient(), &[suite], 950).unwrap().remove(0);
        assert_eq!((figures.cases, figures.events, figures.messages), (2, 1_000, 1));
        assert!(
            figures.median > Duration::ZERO && figures.median <= figures.slowest_hundredth,
            "{figures:?}"
        );
        assert!(
            figures.memory_after >= 2 << 16 && figures.memory_after < figures.limits.memory,
            "{figures:?}"
        );
        assert!(!figures.slowest.0.is_empty());
    }
}
