//! Reads the whole file, and answers with all of its mistakes at once.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use super::document::{Document, Spot};
use super::model::Config;
use super::references;
use super::section::Section;
use super::{Diagnostic, Environment, admin, codes, lookup, pipeline, plugin, relay, sink, source};

/// Reads and checks the file at `path`. Relative paths in it start at its own folder.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file, warnings included.
pub fn load(path: &Path, env: Environment<'_>) -> Result<Config, Vec<Diagnostic>> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &name, env),
        Err(error) => {
            let message = format!("the configuration can't be read: {error}");
            let allowed = "name the file with --config, or write one with relay init";
            Err(vec![Diagnostic::without_line(codes::UNREADABLE, &name, message, allowed)])
        }
    }
}

/// Checks the text of a configuration; errors name the file `file_name`, and relative paths start at its folder.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file, warnings included.
pub fn parse(text: &str, file_name: &str, env: Environment<'_>) -> Result<Config, Vec<Diagnostic>> {
    let document = Document::new(text, file_name, env);
    let (table, mistakes) = DeTable::parse_recoverable(text);
    for mistake in &mistakes {
        let spot = Spot { span: mistake.span().unwrap_or(0..0), path: String::new() };
        document.error(codes::SYNTAX, &spot, format!("this is not TOML: {}", mistake.message()), "");
    }
    // What was recovered from a broken file would only add mistakes that are none.
    if !mistakes.is_empty() {
        return Err(document.into_diagnostics());
    }
    let config = read(&Section::new(&document, table.get_ref(), Spot::default()));
    let found = document.into_diagnostics();
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    Ok(Config { warnings: found, ..config })
}

/// Reads all there is. Where a value is wrong its default stands in, so that the rest is checked too.
fn read(root: &Section<'_>) -> Config {
    let sources = source::read_all(root);
    let sinks = sink::read_all(root);
    let lookups = lookup::read_all(root, &sources);
    let plugins = plugin::read_all(root, &lookups);
    let pipelines = pipeline::read_all(root, &sinks.adapters);
    let admin = admin::read(root);
    let relay = relay::read(root);
    root.finish();
    references::check(root, &sources, &sinks, &plugins, &pipelines);
    references::warn_of_unused_lookups(root, &lookups, &plugins);
    Config {
        sources: sources.adapters,
        sinks: sinks.adapters,
        plugins: plugins.into_iter().map(|(name, it)| (name, it.granted)).collect(),
        pipelines: pipelines.into_iter().map(|(name, it)| (name, it.config)).collect::<BTreeMap<_, _>>(),
        admin,
        relay,
        warnings: Vec::new(),
    }
}
