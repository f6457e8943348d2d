//! `type = "kafka"`

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::config::codes;
use crate::config::section::Section;
use crate::config::values::Entry;
use crate::sink::kafka::KafkaSinkConfig;

const COMPRESSIONS: &[&str] = &["none", "gzip", "lz4", "snappy", "zstd"];

/// What order and durability rest on, or what a key of its own says already.
const RESERVED: &[&str] = &[
    "acks",
    "bootstrap.servers",
    "compression.codec",
    "compression.type",
    "enable.idempotence",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "metadata.broker.list",
    "request.required.acks",
    "transactional.id",
];

pub(in crate::config) fn read(name: &str, section: &Section<'_>) -> KafkaSinkConfig {
    KafkaSinkConfig {
        name: name.to_owned(),
        brokers: read_brokers(section),
        compression: section.choice("compression", COMPRESSIONS, "none").to_owned(),
        properties: read_properties(section),
    }
}

fn read_brokers(section: &Section<'_>) -> Vec<String> {
    let brokers = section.texts("brokers");
    if brokers.is_empty() {
        section.missing("brokers", "at least one of the cluster, as in [\"localhost:9092\"]");
    }
    for broker in &brokers {
        let port = broker.value.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        if broker.value.contains("://") || port.is_none_or(|it| it.parse::<u16>().is_err()) {
            let message = "this is not the address of a broker".to_owned();
            section.document.error(codes::ADDRESS, &broker.spot, message, "allowed: host:port");
        }
    }
    brokers.into_iter().map(|it| it.value).collect()
}

fn read_properties(section: &Section<'_>) -> BTreeMap<String, String> {
    let Some(properties) = section.section("properties") else { return BTreeMap::new() };
    let mut all = BTreeMap::new();
    for (name, entry) in properties.entries() {
        if RESERVED.contains(&name.value.as_str()) {
            let message = format!("the relay decides {:?} itself", name.value);
            let allowed = "order and durability rest on it, or the sink has a key of its own for it";
            section.document.error(codes::RESERVED_PROPERTY, &name.spot, message, allowed);
        }
        if let Some(value) = property(&entry) {
            all.insert(name.value, value);
        }
    }
    all
}

fn property(entry: &Entry<'_>) -> Option<String> {
    match entry.value {
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        _ => entry.secret().map(|it| it.value),
    }
}
