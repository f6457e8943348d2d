//! Names that one part uses for another have to exist, and what nobody uses is worth a warning.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::document::{Document, Spot, Text};
use super::model::{SinkConfig, SourceConfig};
use super::pipeline::ReadPipeline;
use super::plugin::ReadPlugin;
use super::section::Section;
use super::source::Named;
use super::values::did_you_mean;
use crate::plugin::lookup::LookupConfig;

/// How one part of the configuration calls others by their names.
pub(super) struct Reference<'a> {
    /// Who does, and how: `pipeline "orders" names`.
    pub(super) who: &'a str,
    /// What is named: `sink`.
    pub(super) noun: &'a str,
    /// The code of a name that is not there.
    pub(super) code: &'static str,
}

impl Reference<'_> {
    /// Whether `name` is one of `configured`; where it is not, that is told, with those that are.
    pub(super) fn check(&self, document: &Document<'_>, name: &Text, configured: &[&str]) -> bool {
        let is_configured = configured.contains(&name.value.as_str());
        if !is_configured {
            let allowed = configured_words(&name.value, configured);
            document.reference(self.code, &name.spot, self.not_configured(name), allowed);
        }
        is_configured
    }

    /// [`Reference::check`] for all of `names`, each of which may stand there once.
    pub(super) fn check_each(&self, document: &Document<'_>, names: &[Text], configured: &[&str]) {
        let mut seen = BTreeSet::new();
        for name in names {
            if self.check(document, name, configured) && !seen.insert(name.value.as_str()) {
                let message = format!("{} the {} {:?} twice", self.who, self.noun, name.value);
                document.error(codes::TWICE, &name.spot, message, "");
            }
        }
    }

    fn not_configured(&self, name: &Text) -> String {
        format!("{} the {} {:?}, which is not configured", self.who, self.noun, name.value)
    }
}

pub(super) fn check(
    root: &Section<'_>,
    sources: &Named<SourceConfig>,
    sinks: &Named<SinkConfig>,
    plugins: &BTreeMap<String, ReadPlugin>,
    pipelines: &BTreeMap<String, ReadPipeline>,
) {
    if pipelines.is_empty() {
        let message = "no pipeline is configured, so there is nothing to run".to_owned();
        let allowed = "add [pipeline.NAME] with a source and its sinks";
        root.document.reference(codes::NO_PIPELINE, &Spot::default(), message, allowed);
    }
    let source_names: Vec<&str> = sources.spots.keys().map(String::as_str).collect();
    let sink_names: Vec<&str> = sinks.spots.keys().map(String::as_str).collect();
    let plugin_names: Vec<&str> = plugins.keys().map(String::as_str).collect();
    for (name, pipeline) in pipelines {
        let who = format!("pipeline {name:?} names");
        let reference = |noun, code| Reference { who: &who, noun, code };
        if !pipeline.source.value.is_empty() {
            let source = reference("source", codes::NO_SUCH_SOURCE);
            source.check(root.document, &pipeline.source, &source_names);
        }
        let plugin = reference("plugin", codes::NO_SUCH_PLUGIN);
        plugin.check_each(root.document, &pipeline.plugins, &plugin_names);
        reference("sink", codes::NO_SUCH_SINK).check_each(root.document, &pipeline.sinks, &sink_names);
        check_routes(root, name, pipeline);
        check_shards(root, pipeline, sources);
    }
    // A misspelt name would make what it means look unused and out of reach: one mistake is told once.
    let known = |it: &ReadPipeline| {
        let named = |names: &[&str], used: &[String]| used.iter().all(|it| names.contains(&it.as_str()));
        source_names.contains(&it.config.source.as_str())
            && named(&plugin_names, &it.config.plugins)
            && named(&sink_names, &it.config.sinks)
    };
    if !pipelines.values().all(known) {
        return;
    }
    for plugin in plugins.values() {
        check_credentials(root, plugin, sinks);
    }
    for (name, plugin) in plugins {
        check_grants(root, name, plugin, pipelines, &sink_names);
    }
    warn_of_unused(root, sources, sinks, plugins, pipelines);
}

/// The keys of a file with one writer are not worth dividing, and every lane would write there.
fn check_shards(root: &Section<'_>, pipeline: &ReadPipeline, sources: &Named<SourceConfig>) {
    let Some(spot) = pipeline.shards.as_ref().filter(|_| pipeline.config.shards > 1) else { return };
    let kind = sources.adapters.get(&pipeline.source.value).map(|it| it.adapter.kind());
    if let Some(kind) = kind.filter(|it| *it != "postgres") {
        let message =
            format!("the source {:?} is of type {kind}, which can't be divided", pipeline.source.value);
        let allowed = "allowed: shards = 1, or a source of type postgres";
        root.document.reference(codes::CONFLICT, spot, message, allowed);
    }
}

fn check_routes(root: &Section<'_>, name: &str, pipeline: &ReadPipeline) {
    let sinks: Vec<&str> = pipeline.config.sinks.iter().map(String::as_str).collect();
    for route in &pipeline.routes {
        if !sinks.contains(&route.value.as_str()) {
            let message =
                format!("pipeline {name:?} has a route for {:?}, which is not one of its sinks", route.value);
            let allowed = format!("its sinks: {}{}", sinks.join(", "), did_you_mean(&route.value, &sinks));
            root.document.reference(codes::ROUTE_SINK, &route.spot, message, allowed);
        }
    }
}

/// A credential is one of some HTTP sink; which of them a message is for is known with the message.
fn check_credentials(root: &Section<'_>, plugin: &ReadPlugin, sinks: &Named<SinkConfig>) {
    let known: Vec<&str> = sinks.adapters.values().flat_map(SinkConfig::credentials).collect();
    for name in plugin.credentials.iter().filter(|it| !known.contains(&it.value.as_str())) {
        let plugin = &plugin.granted.plugin.name;
        let message =
            format!("plugin {plugin:?} names the credential {:?}, which no HTTP sink has", name.value);
        let allowed = configured_words(&name.value, &known);
        root.document.reference(codes::NO_SUCH_CREDENTIAL, &name.spot, message, allowed);
    }
}

/// A plugin reaches the sinks of the pipelines that use it, and no others.
fn check_grants(
    root: &Section<'_>,
    name: &str,
    plugin: &ReadPlugin,
    pipelines: &BTreeMap<String, ReadPipeline>,
    configured: &[&str],
) {
    let users = || pipelines.values().filter(|it| it.config.plugins.iter().any(|it| it == name));
    let reachable: BTreeSet<&str> =
        users().flat_map(|it| it.config.sinks.iter().map(String::as_str)).collect();
    let used = users().next().is_some();
    let sinks: Vec<&str> = if used { reachable.into_iter().collect() } else { configured.to_vec() };
    let who = format!("plugin {name:?} is granted");
    let reference = Reference { who: &who, noun: "sink", code: codes::GRANT };
    for grant in &plugin.grants {
        if sinks.contains(&grant.value.as_str()) {
            continue;
        }
        let message = if configured.contains(&grant.value.as_str()) {
            format!("{who} the sink {:?}, which no pipeline that uses the plugin has", grant.value)
        } else {
            reference.not_configured(grant)
        };
        let allowed = format!("allowed: {}{}", sinks.join(", "), did_you_mean(&grant.value, &sinks));
        root.document.reference(reference.code, &grant.spot, message, allowed);
    }
}

fn warn_of_unused(
    root: &Section<'_>,
    sources: &Named<SourceConfig>,
    sinks: &Named<SinkConfig>,
    plugins: &BTreeMap<String, ReadPlugin>,
    pipelines: &BTreeMap<String, ReadPipeline>,
) {
    if pipelines.is_empty() {
        return;
    }
    let configs = || pipelines.values().map(|it| &it.config);
    let warn = |code, noun: &str, name: &str, spot: &Spot| {
        let message = format!("no pipeline uses the {noun} {name:?}");
        root.document.warning(code, spot, message, "use it, or remove it");
    };
    for (name, spot) in &sources.spots {
        if configs().all(|it| it.source != *name) {
            warn(codes::UNUSED_SOURCE, "source", name, spot);
        }
    }
    for (name, spot) in &sinks.spots {
        if configs().all(|it| !it.sinks.contains(name)) {
            warn(codes::UNUSED_SINK, "sink", name, spot);
        }
    }
    for (name, plugin) in plugins {
        if configs().all(|it| !it.plugins.contains(name)) {
            warn(codes::UNUSED_PLUGIN, "plugin", name, &plugin.spot);
        }
    }
}

/// A table that no plugin may read is never read.
pub(super) fn warn_of_unused_lookups(
    root: &Section<'_>,
    lookups: &Named<LookupConfig>,
    plugins: &BTreeMap<String, ReadPlugin>,
) {
    let granted =
        |name: &str| plugins.values().any(|it| it.granted.plugin.lookups.iter().any(|it| it.name == name));
    // One whose own settings are wrong is granted to nobody, and told of already.
    let whole = lookups.spots.iter().filter(|(name, _)| lookups.adapters.contains_key(*name));
    for (name, spot) in whole.filter(|(name, _)| !granted(name)) {
        let message = format!("no plugin may read the lookup table {name:?}");
        root.document.warning(
            codes::UNUSED_LOOKUP,
            spot,
            message,
            "grant it with lookups = [\"…\"], or remove it",
        );
    }
}

fn configured_words(word: &str, configured: &[&str]) -> String {
    match configured {
        [] => "none is configured".to_owned(),
        _ => format!("configured: {}{}", configured.join(", "), did_you_mean(word, configured)),
    }
}
