//! `[plugin.NAME]`

use std::collections::BTreeMap;
use std::time::Duration;

use super::codes;
use super::document::{Spot, Text};
use super::model::GrantedPlugin;
use super::references::Reference;
use super::section::Section;
use super::source::Named;
use super::values::allowed_words;
use crate::plugin::host::{PluginConfig, PluginLimits};
use crate::plugin::lookup::LookupConfig;
use crate::plugin::{PERMISSIONS, can_be_accepted};

/// A plugin, and where its grants stand in the file.
pub(super) struct ReadPlugin {
    pub(super) granted: GrantedPlugin,
    pub(super) spot: Spot,
    pub(super) grants: Vec<Text>,
    pub(super) credentials: Vec<Text>,
}

pub(super) fn read_all(root: &Section<'_>, lookups: &Named<LookupConfig>) -> BTreeMap<String, ReadPlugin> {
    let each = |(name, section): (Text, Section<'_>)| {
        let read = read(&name.value, &section, lookups);
        section.finish();
        (name.value, ReadPlugin { spot: name.spot, ..read })
    };
    root.named("plugin").into_iter().map(each).collect()
}

fn read(name: &str, section: &Section<'_>, lookups: &Named<LookupConfig>) -> ReadPlugin {
    let component = section.required_text("component", "the component file, made by relay plugin build");
    let config = section.entry("config").map_or_else(empty_object, |it| it.json().unwrap_or_default());
    let plugin = PluginConfig {
        name: name.to_owned(),
        component: section.document.resolve(&component.value),
        config,
        limits: read_limits(section),
        accept: read_accept(section),
        shadow: section.text("shadow").map(|it| section.document.resolve(&it.value)),
        lookups: read_lookups(name, section, lookups),
    };
    let mut grant = BTreeMap::new();
    let mut grants = Vec::new();
    if let Some(granted) = section.section("grant") {
        for (sink, entry) in granted.entries() {
            let patterns = entry.texts().into_iter().map(|it| it.value).collect();
            grant.insert(sink.value.clone(), patterns);
            grants.push(sink);
        }
    }
    let credentials = section.texts("credentials");
    let names = credentials.iter().map(|it| it.value.clone()).collect();
    let granted = GrantedPlugin { plugin, grant, credentials: names };
    ReadPlugin { granted, spot: Spot::default(), grants, credentials }
}

/// Permissions that builds may have beyond those of the build before.
fn read_accept(section: &Section<'_>) -> Vec<String> {
    let mut accept = Vec::new();
    for text in section.texts("accept") {
        if can_be_accepted(&text.value) {
            accept.push(text.value);
            continue;
        }
        let message = format!("{:?} is nothing that plugins may use", text.value);
        let allowed = format!(
            "{}; their first part stands for the whole interface, \"*\" for all",
            allowed_words(&text.value, PERMISSIONS)
        );
        section.document.error(codes::NOT_ALLOWED, &text.spot, message, allowed);
    }
    accept
}

/// The tables that it may read. One whose own settings are wrong is told of there.
fn read_lookups(plugin: &str, section: &Section<'_>, configured: &Named<LookupConfig>) -> Vec<LookupConfig> {
    let used = section.texts("lookups");
    let names: Vec<&str> = configured.spots.keys().map(String::as_str).collect();
    let who = format!("plugin {plugin:?} names");
    let reference = Reference { who: &who, noun: "lookup table", code: codes::NO_SUCH_LOOKUP };
    reference.check_each(section.document, &used, &names);
    used.iter().filter_map(|it| configured.adapters.get(&it.value).cloned()).collect()
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

fn read_limits(section: &Section<'_>) -> PluginLimits {
    let instance_per_batch = section.choice("isolation", &["batch", "lane"], "lane") == "batch";
    let standard = PluginLimits { instance_per_batch, ..PluginLimits::default() };
    let Some(limits) = section.section("limits") else { return standard };
    let millisecond = Duration::from_millis(1);
    let read = PluginLimits {
        // A guest of less than one megabyte does not even start; 4 GiB is all that 32 bits address.
        memory: limits.size("memory", standard.memory, 1 << 20..=4 << 30),
        time: limits.duration("time", standard.time, millisecond..=Duration::from_secs(60)),
        batch_time: limits.duration(
            "batch_time",
            standard.batch_time,
            millisecond..=Duration::from_secs(600),
        ),
        messages: limits.count("messages", standard.messages, 1..=65_536),
        output: limits.size("output", standard.output, 1 << 10..=1 << 30),
        lookup: limits.size("lookup", standard.lookup, 1 << 10..=1 << 30),
        series: limits.count("series", standard.series, 0..=10_000),
        headers: limits.count("headers", standard.headers, 0..=65_536),
        log_lines: limits.count("log_lines", standard.log_lines, 0..=1_000_000),
        log_line: limits.size("log_line", standard.log_line, 16..=1 << 20),
        instance_per_batch,
    };
    limits.finish();
    read
}
