//! Golden cases as a condition: a build that answers one of them otherwise takes nobody's place.

use std::path::Path;
use std::time::Duration;

use super::run::{Budget, run_within};
use super::{CaseError, CaseOutcome, CaseResult, Change, Outcome, Suite, carried, compared};
use crate::plugin::PluginError;
use crate::plugin::host::{Build, PluginConfig, PluginHost};

/// How the file of cases beside a component ends, in the place of `wasm`: the operator's own.
const BESIDE: &str = "cases.toml";

/// CPU time that all cases of one build may take: thousands of them, and a build whose every case runs into its own
/// limit is refused before it keeps a processor for minutes.
const ALL_CASES: Duration = Duration::from_secs(30);

/// Characters of a difference that a message keeps. The cases are text that operators may read.
const LONGEST_DIFFERENCE: usize = 2_000;

/// Runs every golden case that `build` carries and those in the file beside its component (`redact.cases.toml` for
/// `redact.wasm`), under the limits of `config`. Blocks its thread. Returns how many there were.
///
/// # Errors
/// `P117` with the first case that comes out otherwise, `P158` for cases that can't be read, and those of loading the
/// build with the configuration of the cases.
pub fn gate(host: &PluginHost, config: &PluginConfig, build: &Build) -> Result<usize, PluginError> {
    let suites = suites(&config.component, build).map_err(|error| unreadable(config, &error))?;
    let budget = Budget::new(ALL_CASES);
    let results = run_within(host, &config.name, build.bytes(), &config.limits, &suites, &budget)?;
    let failed: Vec<_> = results.iter().filter(|it| !it.outcome.is_pass()).collect();
    match failed.first() {
        None => Ok(results.len()),
        Some(first) => Err(PluginError {
            code: "P117",
            plugin: config.name.clone(),
            what: format!(
                "{} of its {} golden cases fail; the first is {:?} ({}): {}",
                failed.len(),
                results.len(),
                first.case.name,
                first.file,
                difference(first)
            ),
            remedy: "correct the plugin, or where the new answer is the right one, write it down with \
                     `relay plugin test --update` and build again"
                .to_owned(),
        }),
    }
}

fn suites(component: &Path, build: &Build) -> Result<Vec<Suite>, CaseError> {
    let mut suites = carried(build.bytes())?;
    let beside = component.with_extension(BESIDE);
    if beside.is_file() {
        suites.extend(Suite::load(&beside)?);
    }
    suites.into_iter().map(Suite::of_plugin).collect()
}

fn unreadable(config: &PluginConfig, error: &CaseError) -> PluginError {
    PluginError {
        code: "P158",
        plugin: config.name.clone(),
        what: error.to_string(),
        remedy: "correct the file; relay/docs/plugin-testing.md lists every key".to_owned(),
    }
}

/// What is wrong with a case that failed, in one line: log lines hold no line ends.
fn difference(result: &CaseResult) -> String {
    let CaseResult { case, found, detail, outcome, .. } = result;
    let lines = |before: &Outcome, after: &Outcome| {
        let shown = |change| match change {
            Change::Same(_) => None,
            Change::Removed(line) => Some(format!("- {}", line.trim())),
            Change::Added(line) => Some(format!("+ {}", line.trim())),
        };
        compared(before, after, &case.event).into_iter().filter_map(shown).collect::<Vec<_>>().join(" ")
    };
    let mut text = match outcome {
        CaseOutcome::Passed => String::new(),
        CaseOutcome::Unrecorded => "it has no outcome written down".to_owned(),
        CaseOutcome::Differs => {
            let expected = case.expected.as_ref().unwrap_or(found);
            format!("expected (-) and found (+): {}", lines(expected, found))
        }
        CaseOutcome::Unstable(behind) => {
            format!("alone (-) and behind other events (+): {}", lines(found, behind))
        }
    };
    if let Some(detail) = detail {
        text.push_str(&format!(" ({})", detail.replace('\n', " ")));
    }
    match text.char_indices().nth(LONGEST_DIFFERENCE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::golden::with_cases;
    use crate::plugin::host::testing::{config, obedient};

    fn case(name: &str, id: &str, expected: &str) -> String {
        let event =
            format!("{{ id = \"{id}\", aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" }}");
        format!("[[case]]\nname = \"{name}\"\nevent = {event}\n{expected}\n")
    }

    fn judged(carried: &str, beside: Option<&str>) -> Result<usize, PluginError> {
        let folder = tempfile::tempdir().unwrap();
        let component = folder.path().join("plugin.wasm");
        if let Some(text) = beside {
            std::fs::write(folder.path().join("plugin.cases.toml"), text).unwrap();
        }
        let files = [("a.toml".to_owned(), carried.to_owned())];
        let bytes = if carried.is_empty() { obedient() } else { with_cases(&obedient(), &files) };
        let config = config(&component);
        gate(&PluginHost::new().unwrap(), &config, &Build::new(bytes, &config.config))
    }

    #[test]
    fn a_build_without_cases_passes() {
        assert_eq!(judged("", None).unwrap(), 0);
    }

    #[test]
    fn cases_in_the_component_and_beside_it_have_to_pass() {
        let good = case("traps", "t", "fault = \"P120\"");
        assert_eq!(judged(&good, Some(&good)).unwrap(), 2);
        let bad = case("is left out", "t", "discard = \"never\"");
        for (carried, beside) in [(&bad, None), (&good, Some(bad.as_str()))] {
            let error = judged(carried, beside).unwrap_err();
            assert_eq!(error.code, "P117");
            assert!(error.what.contains("\"is left out\""), "{error}");
            assert!(error.what.contains("- discard \"never\" + fault P120"), "{error}");
        }
    }

    #[test]
    fn cases_that_say_nothing_or_can_not_be_read_refuse_a_build() {
        let error = judged(&case("empty", "t", ""), None).unwrap_err();
        assert!(error.code == "P117" && error.what.contains("no outcome"), "{error}");
        assert_eq!(judged("", Some("[[case]]\n")).unwrap_err().code, "P158");
        assert_eq!(judged("", Some("pipeline = \"orders\"\n")).unwrap_err().code, "P158");
    }
}
