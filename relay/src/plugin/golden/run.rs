//! Runs cases.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use relay_engine::event::{BatchFull, EventBatch, EventFields};

use super::{Case, CaseOutcome, CaseResult, EventRow, Outcome, Suite, outcome};
use crate::plugin::host::{Build, CACHE, FolderConfig, HostConfig, PluginConfig, PluginHost, PluginLimits};
use crate::plugin::{Answer, Fault, Generation, PluginError, Tables};

/// Runs every case of `suites` against the component `bytes`, in their order; `name` stands in errors.
///
/// # Errors
/// The step that refused the component or the configuration of a suite, as at the start of a relay.
pub fn run(
    host: &PluginHost,
    name: &str,
    bytes: &[u8],
    limits: &PluginLimits,
    suites: &[Suite],
) -> Result<Vec<CaseResult>, PluginError> {
    run_within(host, name, bytes, limits, suites, &Budget::new(Duration::MAX))
}

/// CPU time of this thread that cases may take together. It is not the wall clock's: a machine that is paused or busy
/// refuses no build.
pub(super) struct Budget {
    started: ThreadTime,
    most: Duration,
}

impl Budget {
    /// `most` from now on.
    pub(super) fn new(most: Duration) -> Self {
        Self { started: ThreadTime::now(), most }
    }

    /// Whether another case may begin, of the plugin `name`.
    fn check(&self, name: &str) -> Result<(), PluginError> {
        let Self { started, most } = self;
        if started.elapsed() < *most {
            return Ok(());
        }
        Err(PluginError {
            code: "P117",
            plugin: name.to_owned(),
            what: format!("its golden cases take more than {most:?} of CPU time"),
            remedy: "leave cases out, or find with `relay plugin bench` what takes so long".to_owned(),
        })
    }
}

/// [`run`] as long as `budget` lasts.
pub(super) fn run_within(
    host: &PluginHost,
    name: &str,
    bytes: &[u8],
    limits: &PluginLimits,
    suites: &[Suite],
    budget: &Budget,
) -> Result<Vec<CaseResult>, PluginError> {
    let mut results = Vec::new();
    let mut loaded: Vec<(&serde_json::Value, std::sync::Arc<dyn Generation>)> = Vec::new();
    for suite in suites {
        let known = loaded.iter().find(|(config, _)| **config == suite.config).map(|(_, it)| it.clone());
        let generation = match known {
            Some(generation) => generation,
            None => {
                let generation = load(host, name, bytes, limits, suite)?;
                loaded.push((&suite.config, generation.clone()));
                generation
            }
        };
        results.extend(run_suite(&*generation, suite, budget)?);
    }
    Ok(results)
}

/// [`run`] for a command: with a host of its own, under the limits that a plugin has where its operator sets none.
/// The compiled component is kept in `cache`: one with a language's runtime takes seconds to compile, and an author
/// runs its cases again and again.
///
/// # Errors
/// As [`run`], and `P110` where no plugin can run on this machine.
pub fn run_with_defaults(
    name: &str,
    bytes: &[u8],
    suites: &[Suite],
    cache: Option<PathBuf>,
) -> Result<Vec<CaseResult>, PluginError> {
    run(&host(name, cache)?, name, bytes, &PluginLimits::default(), suites)
}

/// Where a relay without settings keeps compiled components, so that a command about one need not compile it again.
#[must_use]
pub fn standard_cache() -> Option<PathBuf> {
    FolderConfig::Standard.folder(&CACHE, &|name| std::env::var(name).ok())
}

/// A host for a command about the plugin `name`, which keeps compiled components in `cache`.
pub(in crate::plugin) fn host(name: &str, cache: Option<PathBuf>) -> Result<PluginHost, PluginError> {
    PluginHost::with(&HostConfig { cache, ..HostConfig::default() }).map_err(|error| PluginError {
        code: "P110",
        plugin: name.to_owned(),
        what: error.to_string(),
        remedy: "plugins need a machine that may map executable memory".to_owned(),
    })
}

fn load(
    host: &PluginHost,
    name: &str,
    bytes: &[u8],
    limits: &PluginLimits,
    suite: &Suite,
) -> Result<std::sync::Arc<dyn Generation>, PluginError> {
    let config = PluginConfig::new(name, &suite.file, suite.config.clone());
    let config = PluginConfig { limits: limits.clone(), ..config };
    let loaded = host.load_build(&config, &Build::new(bytes.to_vec(), &config.config));
    loaded.map_err(|error| PluginError { what: format!("{}: {}", suite.file, error.what), ..error })
}

/// Runs the cases of `suite`, whose configuration `generation` was loaded with.
///
/// # Errors
/// When no instance can be made.
pub fn run_loaded(generation: &dyn Generation, suite: &Suite) -> Result<Vec<CaseResult>, PluginError> {
    run_suite(generation, suite, &Budget::new(Duration::MAX))
}

fn run_suite(
    generation: &dyn Generation,
    suite: &Suite,
    budget: &Budget,
) -> Result<Vec<CaseResult>, PluginError> {
    // Those of the file and no others: the cases come out the same wherever they run.
    let tables = Tables::written(&suite.lookups);
    let behind = run_all(generation, suite, &tables, budget)?;
    let mut results = Vec::with_capacity(suite.cases.len());
    for (case, behind) in suite.cases.iter().zip(behind) {
        budget.check(&generation.identity().name)?;
        let (answer, duration) = run_alone(generation, case, &tables)?;
        let found = outcome(&answer, &case.event);
        let detail = match &answer {
            Answer::Fault(fault) | Answer::Failing(fault) => Some(fault.detail.clone()),
            Answer::Verdict(_) => None,
        };
        let compared = match &case.expected {
            None => CaseOutcome::Unrecorded,
            Some(expected) if *expected != found => CaseOutcome::Differs,
            Some(_) if found != behind => CaseOutcome::Unstable(behind),
            Some(_) => CaseOutcome::Passed,
        };
        let file = suite.file.clone();
        results.push(CaseResult { file, case: case.clone(), found, detail, outcome: compared, duration });
    }
    Ok(results)
}

/// One case on an instance that saw nothing else.
fn run_alone(
    generation: &dyn Generation,
    case: &Case,
    tables: &Tables,
) -> Result<(Answer, Duration), PluginError> {
    let mut plugin = generation.instantiate()?;
    plugin.freeze_tables(tables.clone());
    plugin.mute();
    plugin.freeze_clock(case.now);
    let mut batch = EventBatch::default();
    let mut answers = Vec::new();
    push(&case.event, &mut batch, generation)?;
    let batch = Arc::new(batch);
    let started = Instant::now();
    plugin.run(&case.event.source, &batch, &mut answers);
    let took = started.elapsed();
    Ok((answers.pop().unwrap_or_else(no_answer), took))
}

/// All cases on one instance, one behind the other, as a lane would run them.
fn run_all(
    generation: &dyn Generation,
    suite: &Suite,
    tables: &Tables,
    budget: &Budget,
) -> Result<Vec<Outcome>, PluginError> {
    let mut plugin = generation.instantiate()?;
    plugin.freeze_tables(tables.clone());
    plugin.mute();
    let mut outcomes = Vec::new();
    for case in &suite.cases {
        budget.check(&generation.identity().name)?;
        plugin.freeze_clock(case.now);
        let mut batch = EventBatch::default();
        let mut answers = Vec::new();
        push(&case.event, &mut batch, generation)?;
        plugin.run(&case.event.source, &Arc::new(batch), &mut answers);
        outcomes.push(outcome(&answers.pop().unwrap_or_else(no_answer), &case.event));
    }
    Ok(outcomes)
}

/// A plugin answers every event by contract of its port; this would be a bug of the host.
fn no_answer() -> Answer {
    Answer::Fault(Fault { code: "P123", detail: "the event got no answer".to_owned() })
}

fn push(event: &EventRow, batch: &mut EventBatch, generation: &dyn Generation) -> Result<(), PluginError> {
    push_row(event, batch).map_err(|full| PluginError {
        code: "P165",
        plugin: generation.identity().name.clone(),
        what: full.to_string(),
        remedy: "use a smaller event in the case".to_owned(),
    })
}

/// Appends the event of a case to `batch`.
///
/// # Errors
/// [`BatchFull`] when the batch would outgrow its 32-bit offsets; the event is not added.
pub fn push_row(event: &EventRow, batch: &mut EventBatch) -> Result<(), BatchFull> {
    let headers: Vec<_> =
        event.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let attributes: Vec<_> =
        event.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    batch.push(&EventFields {
        id: &event.id,
        sequence: event.sequence,
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id,
        event_type: &event.event_type,
        content_type: event.content_type.as_deref(),
        payload: event.payload.as_deref(),
        headers: &headers,
        attributes: &attributes,
        occurred_at: event.occurred_at,
        attempt: event.attempt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::host::testing::obedient;

    fn results(cases: &str) -> Vec<CaseResult> {
        let suite = Suite::parse("a.toml", cases).unwrap();
        let host = PluginHost::new().unwrap();
        run(&host, "test", &obedient(), &PluginLimits::default(), &[suite]).unwrap()
    }

    /// The guest does what the first letter of the event's id asks for.
    fn case(id: &str, expected: &str) -> String {
        let event =
            format!("{{ id = \"{id}\", aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" }}");
        format!("[[case]]\nname = \"{id}\"\nevent = {event}\n{expected}\n")
    }

    #[test]
    fn cases_pass_differ_or_are_not_recorded() {
        let found = results(&format!("{}{}", case("p", ""), case("x", "")));
        assert_eq!(found[0].outcome, CaseOutcome::Unrecorded);
        let recorded = updated_with(&found);
        let again = results(&recorded);
        assert!(again.iter().all(|it| it.outcome.is_pass()), "{again:#?}");
        let other = results(&case("p", "discard = \"never\""));
        assert_eq!(other[0].outcome, CaseOutcome::Differs);
    }

    fn updated_with(found: &[CaseResult]) -> String {
        let text: String = found.iter().map(|it| case(&it.case.name, "")).collect();
        let all: Vec<_> = found.iter().map(|it| (it.case.name.clone(), it.found.clone())).collect();
        super::super::updated("a.toml", &text, &all).unwrap()
    }

    #[test]
    fn a_trap_is_a_fault_with_its_code_and_its_words() {
        let found = results(&case("t", "fault = \"P120\""));
        assert!(found[0].outcome.is_pass(), "{found:?}");
        assert!(found[0].detail.as_deref().is_some_and(|it| it.contains("unreachable")), "{found:?}");
    }

    #[test]
    fn cases_end_when_their_time_is_used_up() {
        let suite = Suite::parse("a.toml", &case("t", "fault = \"P120\"")).unwrap();
        let host = PluginHost::new().unwrap();
        let within = |most| {
            let limits = PluginLimits::default();
            run_within(&host, "test", &obedient(), &limits, std::slice::from_ref(&suite), &Budget::new(most))
        };
        assert!(within(Duration::from_secs(60)).unwrap()[0].outcome.is_pass());
        let error = within(Duration::ZERO).unwrap_err();
        assert!(error.code == "P117" && error.what.contains("CPU time"), "{error}");
    }

    #[test]
    fn the_clock_shows_what_the_case_says() {
        let found = results(&case("c", "discard = \"3094288207667809\"\nnow = 3094288207667809"));
        assert!(found[0].outcome.is_pass(), "{found:?}");
    }

    #[test]
    fn an_answer_that_depends_on_earlier_events_is_found_out() {
        let found = results(&format!("{}{}", case("i", "discard = \"1\""), case("i2", "discard = \"1\"")));
        assert!(found[0].outcome.is_pass(), "{found:?}");
        assert_eq!(found[1].outcome, CaseOutcome::Unstable(Outcome::Discard("2".to_owned())));
    }
}
