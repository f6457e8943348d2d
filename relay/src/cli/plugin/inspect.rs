//! `relay plugin inspect`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::place;
use crate::cli::table::grouped;
use crate::cli::{Exit, Failure};
use crate::plugin::golden;
use crate::plugin::inspect::{self, Inspection, Interface, Setting};

const EXAMPLES: &str = "\
Examples:
  relay plugin inspect plugins/redact.wasm
  relay plugin inspect plugins/redact            what relay plugin build made of the crate in this folder
  relay plugin inspect plugins/redact.wasm --json

What a plugin may use is what it imports: it can reach nothing else, whatever its code says. Interfaces of WASI that a
language's runtime imports are stubbed: they are there and reach nothing.";

/// Says what a component is, what it may use and which settings it takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// A component, or the folder of the crate that one was built from.
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Everything as JSON, with the whole schema of its configuration.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let inspection = inspect::inspect(&place::component(&arguments.path)?, golden::standard_cache())?;
    print!("{}", if arguments.json { json_screen(&inspection) } else { screen(&inspection) });
    Ok(Exit::Done)
}

pub(super) fn screen(it: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |title: &str, words: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}", format!("{title:<11} {words}").trim_end());
    };
    line("component", &it.component.display().to_string());
    line("plugin", &format!("{} {}", it.name, it.version));
    line("", &it.summary);
    line("size", &format!("{} bytes", grouped(it.size)));
    line("sha256", &it.digest);
    line("contract", &format!("{}, world {}", it.contract, it.world));
    let used: Vec<_> = it.imports.iter().filter(|it| !it.functions.is_empty()).collect();
    if used.is_empty() {
        line("may use", "nothing: events go in, verdicts come out");
    }
    for (index, interface) in used.into_iter().enumerate() {
        line(if index == 0 { "may use" } else { "" }, &used_words(interface));
    }
    for (index, interface) in it.stubs.iter().filter(|it| !it.functions.is_empty()).enumerate() {
        line(if index == 0 { "stubbed" } else { "" }, &stub_words(interface));
    }
    match &it.config_schema {
        None => line("config", "none"),
        Some(serde_json::Value::String(_)) => line("config", "its schema is not JSON; tell its author"),
        Some(schema) => {
            let settings = inspect::settings(schema);
            if settings.is_empty() {
                line("config", "no settings");
            }
            for (index, setting) in settings.iter().enumerate() {
                line(if index == 0 { "config" } else { "" }, &setting_words(setting));
                if !setting.description.is_empty() {
                    line("", &format!("  {}", setting.description));
                }
            }
        }
    }
    text
}

/// An interface with what it is for, where this relay knows.
fn used_words(interface: &Interface) -> String {
    let short = interface.name.split(['/', '@']).nth(1).unwrap_or_default();
    let meaning = match short {
        "log" => "lines for the relay's log",
        "clock" => "a time that stands still within a batch",
        "metrics" => "figures of its own at /metrics",
        "kv" => "rows of the lookup tables that its `lookups` name",
        _ => "",
    };
    let functions = interface.functions.join(", ");
    let separator = if meaning.is_empty() { "" } else { ": " };
    format!("{} ({functions}){separator}{meaning}", interface.name)
}

/// A stubbed interface with what the plugin finds in it.
fn stub_words(interface: &Interface) -> String {
    format!("{}: {}", interface.name, inspect::meaning_of_stub(&interface.name))
}

fn setting_words(setting: &Setting) -> String {
    format!("{}: {}, {}", setting.name, setting.kind, setting.default)
}

pub(super) fn json_screen(it: &Inspection) -> String {
    let interfaces = |all: &[Interface]| {
        let one = |it: &Interface| json!({ "name": it.name, "functions": it.functions });
        all.iter().map(one).collect::<Vec<_>>()
    };
    let all = json!({
        "component": it.component, "name": it.name, "version": it.version, "summary": it.summary,
        "size": it.size, "sha256": it.digest, "contract": it.contract, "world": it.world,
        "imports": interfaces(&it.imports), "stubbed": interfaces(&it.stubs), "exports": interfaces(&it.exports),
        "config_schema": it.config_schema,
    });
    format!("{all:#}\n")
}
