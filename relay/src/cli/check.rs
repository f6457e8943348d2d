//! `relay check`

use clap::Args;

use super::config_file::ConfigFile;
use super::table::counted;
use super::{Exit, Failure};
use crate::app::{MemoryBudget, TriedTable, try_tables};
use crate::config::{Config, GrantedPlugin};
use crate::plugin::inspect;

/// Says everything that is wrong with the configuration, without dialling anything.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  relay check\n  relay check --config /etc/relay/relay.toml")]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let config = arguments.file.load()?;
    print!("{}", screen(&arguments.file.config.display().to_string(), &config));
    Ok(Exit::Done)
}

/// What runs, pipeline by pipeline.
pub(super) fn screen(file: &str, config: &Config) -> String {
    let lanes = config.pipelines.values().map(|it| it.sinks.len() as u64 * u64::from(it.shards)).sum();
    let pipelines = config.pipelines.len() as u64;
    let mut text = format!("{file} is ok: {}, {}\n", counted(pipelines, "pipeline"), counted(lanes, "lane"));
    for pipeline in config.pipelines.values() {
        let source =
            describe(&pipeline.source, config.sources.get(&pipeline.source).map(|it| it.adapter.kind()));
        let plugins = match pipeline.plugins.as_slice() {
            [] => "no plugin".to_owned(),
            plugins => plugins.join(" → "),
        };
        let sinks: Vec<String> = pipeline
            .sinks
            .iter()
            .map(|sink| describe(sink, config.sinks.get(sink).map(crate::config::SinkConfig::kind)))
            .collect();
        text.push_str(&format!("   {}: {source} → {plugins} → {}\n", pipeline.name, sinks.join(", ")));
    }
    for plugin in config.plugins.values() {
        text.push_str(&format!("   {}: {}\n", plugin.plugin.name, permissions(plugin)));
    }
    for (name, table) in try_tables(config) {
        text.push_str(&format!("   lookup {name}: {}\n", rows(&table)));
    }
    text.push_str(&format!("   memory: {}\n", MemoryBudget::of(config)));
    text
}

/// What a plugin may use and address. A component that is not there yet is no mistake of the configuration.
fn permissions(it: &GrantedPlugin) -> String {
    let may_use = inspect::permissions(&it.plugin.component).map_or_else(
        |why| format!("what it may use is not known: {why}"),
        |found| format!("may use {found}"),
    );
    let grants: Vec<String> =
        it.grant.iter().map(|(sink, patterns)| format!("{} in {sink}", patterns.join(", "))).collect();
    let address = if grants.is_empty() { "nothing".to_owned() } else { grants.join("; ") };
    let tables: Vec<&str> = it.plugin.lookups.iter().map(|it| it.name.as_str()).collect();
    let may_read =
        if tables.is_empty() { String::new() } else { format!("may read {}; ", tables.join(", ")) };
    let secrets = match it.credentials.as_slice() {
        [] => String::new(),
        names => format!("; with the credentials {}", names.join(", ")),
    };
    format!("{may_use}; {may_read}may address {address}{secrets}")
}

/// What a relay would find at its start. A file that is not there yet is no mistake of the configuration.
fn rows(table: &TriedTable) -> String {
    match table {
        TriedTable::Rows { file, rows } => format!("{} of {}", counted(*rows as u64, "row"), file.display()),
        TriedTable::Unreadable(why) => format!("a relay does not start with it (P140): {why}"),
        TriedTable::NotTried => "the rows of a query, which is not asked here".to_owned(),
    }
}

fn describe(name: &str, kind: Option<&str>) -> String {
    kind.map_or_else(|| name.to_owned(), |kind| format!("{name} ({kind})"))
}
