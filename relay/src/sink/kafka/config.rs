//! Settings of a Kafka sink.

use std::collections::BTreeMap;

/// Settings of one Kafka sink, already validated.
#[derive(Debug, Clone)]
pub struct KafkaSinkConfig {
    /// The name in the configuration.
    pub name: String,
    /// Bootstrap servers, `host:port`.
    pub brokers: Vec<String>,
    /// Compression codec: `none`, `lz4`, `zstd`, `gzip` or `snappy`.
    pub compression: String,
    /// Further librdkafka properties, as the operator gave them; they may hold secrets, so they are never logged.
    pub properties: BTreeMap<String, String>,
}
