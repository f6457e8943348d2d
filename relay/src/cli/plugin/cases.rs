//! Results of golden cases: shown, written down, reported.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{difference, junit};
use crate::cli::style::Style;
use crate::cli::table::counted;
use crate::cli::{Exit, Failure};
use crate::plugin::golden::{self, CaseError, CaseOutcome, CaseResult, Outcome};

/// What becomes of the results.
#[derive(Debug, Args)]
pub(in crate::cli) struct OutputArguments {
    /// Write what came out into the files, as what is right from now on.
    #[arg(long)]
    update: bool,
    /// Write a report that build servers read.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Shows the results of the cases of `subject`, and does with them what was asked for.
pub(in crate::cli) fn report(
    subject: &str,
    results: &[CaseResult],
    arguments: &OutputArguments,
) -> Result<Exit, Failure> {
    print!("{}", screen(results, arguments.update, Style::of_stdout()));
    if let Some(file) = &arguments.junit {
        write(file, &junit::report(subject, results))?;
    }
    if arguments.update {
        return update(results);
    }
    Ok(if results.iter().all(|it| it.outcome.is_pass()) { Exit::Done } else { Exit::Failed })
}

/// A file of cases that can't be used.
pub(in crate::cli) fn wrong(error: CaseError) -> Failure {
    Failure::coded(Exit::Failed, "P158", error.to_string(), "")
}

/// Writes every outcome that is not as expected into its file.
fn update(results: &[CaseResult]) -> Result<Exit, Failure> {
    let mut files: Vec<&str> = results.iter().filter(|it| is_new(it)).map(|it| it.file.as_str()).collect();
    files.dedup();
    for file in files {
        let new = |it: &&CaseResult| it.file == file && is_new(it);
        let outcomes: Vec<(String, Outcome)> =
            results.iter().filter(new).map(|it| (it.case.name.clone(), it.found.clone())).collect();
        let text = std::fs::read_to_string(file).map_err(|error| {
            let what = format!("{file} can't be read: {error}");
            Failure::coded(
                Exit::Failed,
                "P157",
                what,
                "cases in a component can't be updated: name their folder",
            )
        })?;
        write(Path::new(file), &golden::updated(file, &text, &outcomes).map_err(wrong)?)?;
    }
    // What depends on earlier events is wrong however it is written down.
    let unstable = results.iter().any(|it| matches!(it.outcome, CaseOutcome::Unstable(_)));
    Ok(if unstable { Exit::Failed } else { Exit::Done })
}

fn is_new(it: &CaseResult) -> bool {
    matches!(it.outcome, CaseOutcome::Differs | CaseOutcome::Unrecorded)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::coded(Exit::Failed, "P157", format!("cannot write {}: {error}", path.display()), "")
    })
}

/// Every case, what differs where one failed, and a count.
pub(super) fn screen(results: &[CaseResult], update: bool, style: Style) -> String {
    let mut text = String::new();
    let mut file = "";
    for result in results {
        if file != result.file {
            file = &result.file;
            // Writing to a String does not fail.
            let _ = writeln!(text, "{file}");
        }
        text.push_str(&case(result, update, style));
    }
    text + &summary(results, update)
}

fn case(result: &CaseResult, update: bool, style: Style) -> String {
    let CaseResult { case, found, outcome, .. } = result;
    let word = match outcome {
        CaseOutcome::Passed => style.good("pass"),
        CaseOutcome::Differs | CaseOutcome::Unrecorded if update => style.warning("new "),
        _ => style.error("FAIL"),
    };
    let mut text = format!("  {word}  {}\n", case.name);
    let listed = |outcome: &Outcome| {
        outcome.lines(&case.event).iter().map(|line| format!("          {line}\n")).collect::<String>()
    };
    match outcome {
        CaseOutcome::Passed => {}
        CaseOutcome::Unrecorded => {
            text.push_str(&format!("        nothing is written down yet; it came out as\n{}", listed(found)))
        }
        CaseOutcome::Differs => {
            let expected = case.expected.as_ref().unwrap_or(found);
            text.push_str("        expected (-) and found (+)\n");
            text.push_str(&difference::screen(expected, found, &case.event, "        ", style));
        }
        CaseOutcome::Unstable(behind) => {
            text.push_str("        the answer depends on earlier events: alone (-) and behind them (+)\n");
            text.push_str(&difference::screen(found, behind, &case.event, "        ", style));
        }
    }
    if let Some(detail) = result.detail.as_ref().filter(|_| !outcome.is_pass()) {
        text.push_str(&format!("        {detail}\n"));
    }
    text
}

fn summary(results: &[CaseResult], update: bool) -> String {
    let count =
        |is: &dyn Fn(&CaseOutcome) -> bool| results.iter().filter(|it| is(&it.outcome)).count() as u64;
    let passed = count(&CaseOutcome::is_pass);
    let unstable = count(&|it| matches!(it, CaseOutcome::Unstable(_)));
    let all = counted(results.len() as u64, "case");
    let new = results.len() as u64 - passed - unstable;
    let failed = new + unstable;
    match (failed, update) {
        (0, _) => format!("{all}, all passed\n"),
        (_, true) => format!("{all}: {passed} passed, {new} written, {unstable} unstable\n"),
        (_, false) => {
            let hint = if new > 0 { "; --update takes what was found as right" } else { "" };
            format!("{all}: {passed} passed, {failed} failed{hint}\n")
        }
    }
}
