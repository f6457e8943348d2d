//! Results of cases as build servers read them.

use std::fmt::Write as _;

use super::difference;
use crate::cli::style::Style;
use crate::plugin::golden::{CaseOutcome, CaseResult};

/// The results in JUnit's XML, one suite per file of cases.
pub(super) fn report(plugin: &str, results: &[CaseResult]) -> String {
    let failures = results.iter().filter(|it| !it.outcome.is_pass()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{failures}\">\n",
        results.len()
    );
    for of_file in results.chunk_by(|a, b| a.file == b.file) {
        let failures = of_file.iter().filter(|it| !it.outcome.is_pass()).count();
        let file = of_file.first().map_or("", |it| it.file.as_str());
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\">",
            escaped(file),
            of_file.len()
        );
        of_file.iter().for_each(|it| text.push_str(&case(plugin, it)));
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

fn case(plugin: &str, result: &CaseResult) -> String {
    let CaseResult { case, found, outcome, .. } = result;
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\"",
        escaped(plugin),
        escaped(&case.name),
        result.duration.as_secs_f64()
    );
    let compare = |before, after| difference::screen(before, after, &case.event, "", Style::PLAIN);
    let (message, mut body) = match outcome {
        CaseOutcome::Passed => return format!("{head}/>\n"),
        CaseOutcome::Unrecorded => ("nothing is written down yet", found.lines(&case.event).join("\n")),
        CaseOutcome::Differs => {
            ("expected (-) and found (+)", compare(case.expected.as_ref().unwrap_or(found), found))
        }
        CaseOutcome::Unstable(behind) => ("the answer depends on earlier events", compare(found, behind)),
    };
    body.extend(result.detail.iter().map(String::as_str));
    format!("{head}>\n      <failure message=\"{message}\">{}</failure>\n    </testcase>\n", escaped(&body))
}

/// `text` for XML; characters that XML can't hold at all are replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(character),
            other if other.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}
