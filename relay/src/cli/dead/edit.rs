//! `relay dead edit`

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;

use super::asked::Telling;
use super::selection::Selection;
use crate::cli::{Exit, Failure};
use crate::store::DeadAction;

/// Gives one dead letter another payload and sends it through its plugins again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  relay dead show 01JD3K --json --payload\n  relay dead edit 01JD3K --payload corrected.json\n  jq .amount=1 order.json | relay dead edit 01JD3K --payload -\n\nThe outbox keeps the event as it was; the new payload stands in the relay's tables alone."
)]
pub(in crate::cli) struct Arguments {
    /// The event's id, as dead list shows it.
    id: String,
    /// The file that holds the new payload; - is standard input.
    #[arg(long, value_name = "FILE")]
    payload: PathBuf,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    telling: Telling,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let payload = read(&arguments.payload).map_err(|error| {
        let what = format!("the payload {} can't be read: {error}", arguments.payload.display());
        Failure::not_found(what, "give a file that holds it, or - for standard input")
    })?;
    let filter = arguments.selection.filter(Some(&arguments.id));
    arguments.telling.ask(&filter, &DeadAction::Replace(payload))
}

fn read(file: &std::path::Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut payload = Vec::new();
    std::io::stdin().lock().read_to_end(&mut payload)?;
    Ok(payload)
}
