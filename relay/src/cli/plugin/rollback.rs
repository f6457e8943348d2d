//! `relay plugin rollback`

use clap::Args;
use serde_json::Value;

use super::ask;
use crate::admin::plugins::PluginAsk;
use crate::cli::admin_server::AdminServer;
use crate::cli::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  relay plugin rollback redact               to the last build that was not rolled back itself
  relay plugin rollback redact 9f2c41        to this one; relay plugin history redact lists them
  relay plugin rollback redact --json

The relay keeps copies of the last ten builds that ran, each with the configuration that it ran with. The one that it
goes back to takes over between two batches. The file in the component's place is not touched and stays out, also after
a restart, until it is another build or you reload the plugin. Asks the relay on this machine; exit code 1: it refused.";

/// Has a running relay go back to an earlier build of a plugin.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    plugin: String,
    /// The build, by the first digits of its digest.
    #[arg(value_name = "DIGEST")]
    to: Option<String>,
    #[command(flatten)]
    server: AdminServer,
    /// What came of it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let asked = PluginAsk::RollBack { to: arguments.to.clone() };
    let done = ask::relay(&arguments.server, &arguments.plugin, &asked)?;
    print!("{}", if arguments.json { format!("{done:#}\n") } else { screen(&arguments.plugin, &done) });
    Ok(Exit::Done)
}

pub(super) fn screen(plugin: &str, done: &Value) -> String {
    let (from, to) = (ask::build(&done["from"]), ask::build(&done["to"]));
    let mut text = format!("{plugin}: {from} → {to}, rolled back\n");
    text.push_str(&ask::permissions(done));
    text + "   the build that was left stays out until another one is in its place, or you reload the plugin\n"
}
