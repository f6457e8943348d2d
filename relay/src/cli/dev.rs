//! `relay dev`

use std::path::PathBuf;

use clap::Args;

use super::config_file::warn;
use super::style::Style;
use super::{Exit, Failure, block_on};
use crate::app::{self, DevOptions, News, Subject};
use crate::config;

mod screen;
#[cfg(test)]
mod tests;

const EXAMPLES: &str = "\
Examples:
  relay dev                          in a plugin's crate: with an SQLite outbox of its own, nothing installed
  relay dev plugins/hello
  relay dev --config relay.toml      with the outbox and the sinks of a configuration
  relay dev --last 100 --json

On every save the plugin is built, the newest recorded events go through the old and the new build side by side, and a
running relay swaps it in. A build that fails changes nothing; before the first good one, it waits for the next save.
Components are built for speed of building: relay plugin build makes the one to deploy.";

/// The configuration that a folder is worked on with.
const CONFIGURATION: &str = "relay.toml";

/// Builds plugins on every save, swaps them into a running relay, and shows what becomes of events.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The folder of a plugin's crate, or one with a relay.toml.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// The configuration to run, in place of an outbox of its own.
    #[arg(long, short, value_name = "FILE", conflicts_with = "folder")]
    config: Option<PathBuf>,
    /// How many of the newest events go through each build.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    last: u32,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let subject = subject(arguments)?;
    let options = DevOptions { subject, last: arguments.last as usize };
    let style = Style::of_stdout();
    let json = arguments.json;
    let mut show = move |news: News| {
        print!("{}", if json { screen::json_line(&news) } else { screen::lines(&news, style) });
        // A reader that went away ends the command with the next signal.
        let _ = std::io::Write::flush(&mut std::io::stdout());
    };
    block_on(async { Ok(app::dev(options, &mut show).await?) })?;
    Ok(Exit::Done)
}

fn subject(arguments: &Arguments) -> Result<Subject, Failure> {
    let beside = arguments.folder.join(CONFIGURATION);
    let file = arguments.config.clone().or_else(|| beside.is_file().then_some(beside));
    let Some(file) = file else { return Ok(Subject::Crate(arguments.folder.clone())) };
    // The plugins of a new clone are not built yet, so their components need not be there.
    let config = config::load(&file, &|name| std::env::var(name).ok())?;
    warn(&config);
    Ok(Subject::Configuration { file, config: Box::new(config) })
}
