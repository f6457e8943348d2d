//! Two outcomes of one event, compared for people.

use crate::cli::style::Style;
use crate::plugin::golden::{Change, EventRow, Outcome, compared};

/// The lines of both outcomes, `-` before what is only in the first and `+` before what is only in the second, each
/// behind `margin`.
pub(in crate::cli) fn screen(
    before: &Outcome,
    after: &Outcome,
    event: &EventRow,
    margin: &str,
    style: Style,
) -> String {
    let line = |change| match change {
        Change::Same(line) => format!("{margin}  {line}\n"),
        Change::Removed(line) => format!("{margin}{}\n", style.error(&format!("- {line}"))),
        Change::Added(line) => format!("{margin}{}\n", style.good(&format!("+ {line}"))),
    };
    compared(before, after, event).into_iter().map(line).collect()
}
