//! The configuration that `relay init` writes.

use super::{SinkType, SourceType};

/// A commented configuration of one pipeline.
pub(super) fn configuration(source: SourceType, sink: SinkType, table: &str) -> String {
    let source = match source {
        SourceType::Postgres => POSTGRES,
        SourceType::Sqlite => SQLITE,
    };
    let (name, sink) = match sink {
        SinkType::Kafka => ("kafka", KAFKA),
        SinkType::Nats => ("nats", NATS),
        SinkType::Http => ("http", HTTP),
        SinkType::Stdout => ("stdout", STDOUT),
    };
    let table = toml::Value::String(table.to_owned()).to_string();
    format!("{HEAD}{source}\n{sink}\n{PIPELINE}").replace("{table}", &table).replace("{sink}", name)
}

const HEAD: &str = "\
# What the relay reads, where it sends it, and what happens in between. `relay check` says what is wrong here.
# Durations and sizes have units; ${VAR}, ${VAR:-default} and ${VAR:?message} are filled in from the environment.

";

const POSTGRES: &str = r#"[source.outbox]
type  = "postgres"
url   = "${DATABASE_URL:?the database that holds the outbox, postgres://user:password@host/database}"
table = {table}
# Where the first run starts: "now" sends what commits from then on, "beginning" every row that is there.
start = "now"
# Column names are Debezium's. Others:
# columns = { key = "stream_id", type = "event_type", headers = false }
"#;

const SQLITE: &str = r#"[source.outbox]
type  = "sqlite"
path  = "${OUTBOX_FILE:-outbox.db}"     # relative to this file
table = {table}
# Where the first run starts: "now" sends what commits from then on, "beginning" every row that is there.
start = "now"
"#;

const KAFKA: &str = r#"[sink.kafka]
type    = "kafka"
brokers = ["${KAFKA_BROKER:-localhost:9092}"]
# compression = "lz4"                   # or none, gzip, snappy, zstd
# properties  = { "security.protocol" = "SASL_SSL", "sasl.password" = "file:/run/secrets/kafka" }
"#;

const NATS: &str = r#"[sink.nats]
type    = "nats"
servers = ["${NATS_SERVER:-nats://localhost:4222}"]
# credentials = "/run/secrets/nats.creds"
"#;

const HTTP: &str = r#"[sink.http]
type = "http"
url  = "${RECEIVER:-http://localhost:8080/hooks}"
# sign = { secret = "file:/run/secrets/webhook" }     # Standard Webhooks
"#;

const STDOUT: &str = r#"[sink.stdout]
type = "stdout"                         # one JSON line per message
"#;

const PIPELINE: &str = r#"# [plugin.redact]
# component = "plugins/redact.wasm"     # made by relay plugin build
# config    = { remove = ["/customer/email"] }

[pipeline.outbox]
source  = "outbox"
plugins = []                            # in the order they run
sinks   = ["{sink}"]
# route   = { {sink} = "orders.{aggregatetype}" }   # for what no plugin addresses
# retry   = { first = "200 ms", max = "5 min", attempts = 12 }
# on_dead = "block"                     # a key waits behind its dead letter; or "skip_after_dead_letter"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn what_init_writes_passes_the_check_also_with_its_examples_uncommented() {
        let env = |name: &str| (name == "DATABASE_URL").then(|| "postgres://localhost/shop".to_owned());
        for source in [SourceType::Postgres, SourceType::Sqlite] {
            for sink in [SinkType::Kafka, SinkType::Nats, SinkType::Http, SinkType::Stdout] {
                let text = configuration(source, sink, "outbox");
                let config = config::parse(&text, "relay.toml", &env).unwrap_or_else(|it| panic!("{it:?}"));
                assert!(config.warnings.is_empty());
                let examples = ["# retry ", "# on_dead ", "# route ", "# compression ", "# columns "];
                let text = examples.iter().fold(text, |text, it| text.replace(it, &it[2..]));
                config::parse(&text, "relay.toml", &env).unwrap_or_else(|it| panic!("{it:#?}"));
            }
        }
    }
}
