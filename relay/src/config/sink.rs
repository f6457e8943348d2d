//! `[sink.NAME]`

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;

use std::collections::BTreeMap;

use relay_engine::route::SinkKind;

use super::model::SinkConfig;
use super::section::Section;
use super::source::{Named, read_type};

const TYPES: &[&str] = &["http", "kafka", "nats", "stdout"];

pub(super) fn read_all(root: &Section<'_>) -> Named<SinkConfig> {
    let mut all = Named { spots: BTreeMap::new(), adapters: BTreeMap::new() };
    for (name, section) in root.named("sink") {
        all.spots.insert(name.value.clone(), name.spot.clone());
        if let Some(adapter) = read_adapter(&name.value, &section) {
            all.adapters.insert(name.value, adapter);
        }
    }
    all
}

/// A plugin's messages to Kafka can be looked at where there is no Kafka.
fn stands_for(section: &Section<'_>) -> SinkKind {
    match section.choice("as", &["stdout", "kafka", "nats", "http"], "stdout") {
        "kafka" => SinkKind::Kafka,
        "nats" => SinkKind::Nats,
        "http" => SinkKind::Http,
        _ => SinkKind::Stdout,
    }
}

fn read_adapter(name: &str, section: &Section<'_>) -> Option<SinkConfig> {
    let adapter = match read_type(section, "sink", TYPES)?.as_str() {
        #[cfg(feature = "http")]
        "http" => SinkConfig::Http(http::read(name, section)),
        #[cfg(feature = "kafka")]
        "kafka" => SinkConfig::Kafka(kafka::read(name, section)),
        #[cfg(feature = "nats")]
        "nats" => SinkConfig::Nats(nats::read(name, section)),
        _ => SinkConfig::Stdout { stands_for: stands_for(section) },
    };
    section.finish();
    Some(adapter)
}
