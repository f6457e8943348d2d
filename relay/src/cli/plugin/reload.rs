//! `relay plugin reload`

use clap::Args;
use serde_json::Value;

use super::ask;
use crate::admin::plugins::PluginAsk;
use crate::cli::admin_server::AdminServer;
use crate::cli::table::counted;
use crate::cli::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  relay plugin reload redact                 try the build in place now, also one that was refused
  relay plugin reload redact --accept        ... even if it may use more than the one that runs
  relay plugin reload redact --admin 127.0.0.1:9464 --json

The relay reads the plugin's configuration and its file again, has the build pass everything that a new build has to
pass, and swaps it in between two batches. Where it is refused, the old build goes on. SIGHUP does it for all plugins.
Asks the relay on this machine; exit code 1: it refused.";

/// Has a running relay read a plugin's configuration and component again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    plugin: String,
    /// Let the build use more than the one that runs.
    #[arg(long)]
    accept: bool,
    #[command(flatten)]
    server: AdminServer,
    /// What came of it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let asked = PluginAsk::Reload { accept: arguments.accept };
    let done = ask::relay(&arguments.server, &arguments.plugin, &asked)?;
    print!("{}", if arguments.json { format!("{done:#}\n") } else { screen(&arguments.plugin, &done) });
    Ok(Exit::Done)
}

pub(super) fn screen(plugin: &str, done: &Value) -> String {
    let to = ask::build(&done["to"]);
    if done["outcome"] == "unchanged" {
        return format!("{plugin}: {to} runs already\n");
    }
    let mut text = format!("{plugin}: {} → {to}, swapped in\n", ask::build(&done["from"]));
    if let Some(cases @ 1..) = done["cases"].as_u64() {
        text.push_str(&format!("   {} passed\n", counted(cases, "golden case")));
    }
    text.push_str(&ask::permissions(done));
    text + "   on probation: should it do worse than the one before, the relay rolls it back by itself\n"
}
