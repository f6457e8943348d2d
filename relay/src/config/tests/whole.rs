//! What a right configuration becomes.

use std::path::Path;
use std::time::Duration;

use super::super::{
    AdminConfig, FirstStart, HeldConfig, OnDead, SinkConfig, SourceAdapter, StormConfig, load, parse,
};
use super::{env, read, with};
use crate::source::Columns;

const WHOLE: &str = r#"
[source.shop]
type    = "postgres"
url     = "${DATABASE_URL:?the database}"
table   = "sales.events"
columns = { key = "stream_id", headers = false, attributes = ["region"] }
start   = "beginning"

[sink.events]
type        = "kafka"
brokers     = ["a:9092", "b:9092"]
compression = "${WORDS}"
properties  = { "linger.ms" = 5, "sasl.password" = "$${raw}" }

[sink.tell]
type     = "nats"
servers  = ["tls://n:4222"]
user     = "relay"
password = "secret"

[sink.billing]
type    = "http"
url     = "http://localhost:8080/hooks"
sign    = { secret = "whsec_c2VjcmV0", previous = "old" }
headers = { x-team = "shop" }

[plugin.redact]
component = "plugins/redact.wasm"
config    = { remove = ["/customer/email"], deep = { n = 1, on = true, ratio = 0.5 } }
grant     = { events = ["orders.*"] }
limits    = { memory = "16 MiB", time = "5 ms" }
accept    = ["log", "clock.now"]
shadow    = "plugins/redact-next.wasm"
isolation = "batch"

[pipeline.orders]
source  = "shop"
plugins = ["redact"]
sinks   = ["events", "tell", "billing"]
route   = { tell = "orders.{aggregatetype}" }
retry   = { first = "1 s", attempts = 3 }
on_dead = "skip_after_dead_letter"
storm   = { percent = 80, last = 64 }
held    = { parked = 5000, dead = 10, dead_bytes = "2 MiB" }

[admin]
listen  = "127.0.0.1:9000"
tap     = true
control = false
"#;

#[test]
fn every_key_arrives_where_it_belongs() {
    let config = parse(WHOLE, "/etc/relay/relay.toml", &env).unwrap_or_else(|it| panic!("{it:#?}"));
    let source = &config.sources["shop"];
    assert_eq!(source.start, FirstStart::Beginning);
    let SourceAdapter::Postgres(postgres) = &source.adapter else { panic!("not postgres") };
    assert_eq!(postgres.url, "postgres://relay:hunter2@localhost/shop");
    assert_eq!((postgres.schema.as_str(), postgres.table.as_str()), ("sales", "events"));
    let columns = Columns {
        aggregate_id: "stream_id".to_owned(),
        headers: None,
        attributes: vec!["region".to_owned()],
        ..Columns::default()
    };
    assert_eq!(postgres.columns, columns);

    let SinkConfig::Kafka(kafka) = &config.sinks["events"] else { panic!("not kafka") };
    assert_eq!((kafka.brokers.len(), kafka.compression.as_str()), (2, "lz4"));
    assert_eq!(kafka.properties["linger.ms"], "5");
    assert_eq!(kafka.properties["sasl.password"], "${raw}");
    let SinkConfig::Nats(nats) = &config.sinks["tell"] else { panic!("not nats") };
    assert_eq!(nats.login, Some(("relay".to_owned(), "secret".to_owned())));
    let SinkConfig::Http(http) = &config.sinks["billing"] else { panic!("not http") };
    assert_eq!(http.secrets, [b"secret".to_vec(), b"old".to_vec()]);
    assert_eq!(http.headers, [("x-team".to_owned(), "shop".to_owned())]);
    assert!(http.allow_private, "localhost was written by the operator");

    let plugin = &config.plugins["redact"];
    assert_eq!(plugin.plugin.component, Path::new("/etc/relay/plugins/redact.wasm"));
    let json =
        serde_json::json!({ "remove": ["/customer/email"], "deep": { "n": 1, "on": true, "ratio": 0.5 } });
    assert_eq!(plugin.plugin.config, json);
    assert_eq!(
        (plugin.plugin.limits.memory, plugin.plugin.limits.time),
        (16 << 20, Duration::from_millis(5))
    );
    assert_eq!(plugin.grant["events"], ["orders.*"]);
    assert_eq!(plugin.plugin.accept, ["log", "clock.now"]);
    assert!(plugin.plugin.limits.instance_per_batch);
    assert_eq!(plugin.plugin.shadow.as_deref(), Some(Path::new("/etc/relay/plugins/redact-next.wasm")));

    let pipeline = &config.pipelines["orders"];
    assert_eq!(pipeline.sinks, ["events", "tell", "billing"]);
    assert_eq!(pipeline.routes["events"], "outbox.event.{aggregatetype}");
    assert_eq!(pipeline.routes["tell"], "orders.{aggregatetype}");
    assert_eq!(pipeline.routes["billing"], "");
    assert_eq!((pipeline.retry.first, pipeline.retry.attempts), (Duration::from_secs(1), 3));
    assert_eq!(pipeline.on_dead, OnDead::SkipAfterDeadLetter);
    assert_eq!(pipeline.storm, Some(StormConfig { percent: 80, last: 64 }));
    let held = HeldConfig { parked: 5_000, parked_bytes: 1 << 30, dead: 10, dead_bytes: 2 << 20 };
    assert_eq!(pipeline.held, held);
    let listen = Some("127.0.0.1:9000".parse().unwrap());
    assert_eq!(config.admin, AdminConfig { listen, tap: true, control: false });
    assert!(config.warnings.is_empty());
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = read(&with("")).unwrap();
    let SourceAdapter::Postgres(postgres) = &config.sources["shop"].adapter else { panic!("not postgres") };
    assert_eq!(postgres.poll_busy, Duration::from_millis(1));
    assert_eq!(postgres.poll_idle, Duration::from_millis(100));
    assert_eq!(postgres.statement_timeout, Duration::from_secs(30));
    assert_eq!((postgres.schema.as_str(), postgres.table.as_str()), ("public", "outbox"));
    let pipeline = &config.pipelines["orders"];
    assert_eq!((pipeline.batch.events, pipeline.batch.bytes), (2000, 8 << 20));
    assert_eq!((pipeline.window.events, pipeline.window.bytes), (12_288, 32 << 20));
    assert_eq!(pipeline.retry.max, Duration::from_secs(300));
    assert_eq!((pipeline.retry.first, pipeline.retry.attempts), (Duration::from_millis(200), 12));
    assert_eq!(pipeline.on_dead, OnDead::Block);
    assert_eq!(pipeline.storm, Some(StormConfig { percent: 50, last: 100 }));
    assert_eq!((pipeline.held.parked, pipeline.held.parked_bytes), (1_000_000, 1 << 30));
    assert_eq!((pipeline.held.dead, pipeline.held.dead_bytes), (100_000, 1 << 30));
    for (word, policy) in [
        ("block", OnDead::Block),
        ("park_key", OnDead::ParkKey),
        ("skip_after_dead_letter", OnDead::SkipAfterDeadLetter),
    ] {
        let config = read(&with(&format!("on_dead = {word:?}\nstorm = \"off\""))).unwrap();
        let pipeline = &config.pipelines["orders"];
        assert_eq!((pipeline.on_dead, pipeline.storm), (policy, None));
    }
    let off = read(&with("[admin]\nlisten = \"off\"")).unwrap();
    assert_eq!(off.admin, AdminConfig { listen: None, tap: false, control: true });
    assert_eq!(pipeline.settle_interval, Duration::from_millis(100));
    assert_eq!(pipeline.grace, Duration::from_secs(20));
    let listen = Some("127.0.0.1:9464".parse().unwrap());
    assert_eq!(config.admin, AdminConfig { listen, tap: false, control: true });
}

#[test]
fn a_receiver_elsewhere_may_not_be_private_unless_the_operator_says_so() {
    for (url, more, private) in [
        ("http://localhost:1", "", true),
        ("http://127.0.0.1/x", "", true),
        ("http://[::1]:1/x", "", true),
        ("https://billing.internal", "", false),
        ("http://localhost.example.org", "", false),
        ("https://billing.internal", "allow_private = true", true),
        ("http://localhost", "allow_private = false", false),
    ] {
        let text =
            with("").replace("type = \"stdout\"", &format!("type = \"http\"\nurl = \"{url}\"\n{more}"));
        let SinkConfig::Http(http) = read(&text).unwrap().sinks["out"].clone() else { panic!("not http") };
        assert_eq!(http.allow_private, private, "{url} {more}");
    }
}

#[test]
fn a_secret_comes_from_a_file_beside_the_configuration_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), "postgres://u:p@h/d\n").unwrap();
    let file = folder.path().join("relay.toml");
    std::fs::write(&file, with("").replace("postgres://localhost/shop", "file:url")).unwrap();
    let config = load(&file, &env).unwrap();
    let SourceAdapter::Postgres(postgres) = &config.sources["shop"].adapter else { panic!("not postgres") };
    assert_eq!(postgres.url, "postgres://u:p@h/d");
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_too() {
    let found = load(Path::new("not/there.toml"), &env).unwrap_err();
    assert_eq!((found.len(), found[0].code, found[0].origin.as_str()), (1, "C001", "not/there.toml"));
}

#[test]
fn compiled_plugins_and_histories_are_kept_where_the_system_says_unless_the_file_names_a_folder_or_none() {
    use crate::plugin::host::{FolderConfig as Cache, FolderConfig as State};
    let cache = |more: &str| read(&with(more)).unwrap().relay.cache;
    assert_eq!(cache(""), Cache::Standard);
    assert_eq!(cache("[relay]\ncache = \"off\"\n"), Cache::Off);
    assert_eq!(cache("[relay]\ncache = \"/var/cache/relay\"\n"), Cache::At("/var/cache/relay".into()));
    let beside = parse(&with("[relay]\ncache = \"cache\"\n"), "/etc/relay/relay.toml", &env);
    assert_eq!(beside.unwrap().relay.cache, Cache::At("/etc/relay/cache".into()));
    let state = |more: &str| read(&with(more)).unwrap().relay.state;
    assert_eq!(state(""), State::Standard);
    assert_eq!(state("[relay]\nstate = \"off\"\n"), State::Off);
    assert_eq!(state("[relay]\nstate = \"/var/lib/relay\"\n"), State::At("/var/lib/relay".into()));
    let lease = |more: &str| read(&with(more)).unwrap().relay.lease;
    assert_eq!(lease(""), None);
    assert_eq!(lease("[relay]\nlease = \"5 s\"\n"), Some(Duration::from_secs(5)));
}
