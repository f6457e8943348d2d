//! `relay demo`

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, block_on};
use crate::app::{self, DemoOptions};

/// Watch committed rows leave through plugins, with everything it needs built in.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  relay demo\n  relay demo --kill      kills the relay in the middle and proves the same"
)]
pub(super) struct Arguments {
    /// Kill the relay process in the middle and start it again.
    #[arg(long)]
    kill: bool,
    /// The folder with the sources of the plugins redact and router.
    #[arg(long, value_name = "DIR", env = "RELAY_DEMO_PLUGINS", default_value = "plugins")]
    plugins: PathBuf,
    /// How many events the writer commits.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    events: u32,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let plugins = arguments.plugins.clone();
    let options = DemoOptions { kill: arguments.kill, events: arguments.events, plugins };
    block_on(async { Ok(app::demo(options).await?) })?;
    Ok(Exit::Done)
}
