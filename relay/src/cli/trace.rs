//! `relay trace`

use clap::Args;

use super::config_file::ConfigFile;
use super::{Exit, Failure, block_on, time};
use crate::app;

mod screen;
#[cfg(test)]
mod tests;

const EXAMPLES: &str = "\
Examples:
  relay trace 01JD3K
  relay trace 01JD3K --json | jq '.[].lanes[] | select(.state != \"settled\")'

It reads the outbox, the lanes' positions and the side table, so no relay has to run. What is in flight is known to the
running relay alone: relay tap --event ID shows it. Payloads are not shown: relay dead show ID --payload does.";

/// Tells what became of one event in each lane: settled, parked, blocked, dead or not reached yet.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The event's id, as the outbox has it.
    id: String,
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON array instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let config = arguments.file.load()?;
    let traces = block_on(async { Ok(app::trace(&config, &arguments.id).await?) })?;
    if traces.is_empty() {
        let what = format!("no outbox has the event {:?}, and no lane holds it", arguments.id);
        let remedy = "it was never committed here, or it is settled and its row was deleted";
        return Err(Failure::not_found(what, remedy));
    }
    if arguments.json {
        print!("{}", screen::json_screen(&traces));
    } else {
        let each: Vec<_> = traces.iter().map(|it| screen::screen(it, time::now())).collect();
        print!("{}", each.join("\n"));
    }
    Ok(Exit::Done)
}
