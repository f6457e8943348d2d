//! Settings without a file.

use super::super::{Config, Diagnostic, FirstStart, SinkConfig, SourceAdapter, from_flags};

fn to(address: &str) -> Result<Config, Vec<Diagnostic>> {
    from_flags("postgres://relay:a${b}c@localhost/shop", Some("public.outbox"), address, Some("now"))
}

fn route(config: &Config) -> &str {
    config.pipelines["outbox"].routes.values().next().unwrap()
}

#[test]
fn an_address_names_the_sink_and_the_route() {
    let nats = to("nats://localhost:4222/orders.{aggregatetype}").unwrap();
    let SinkConfig::Nats(sink) = &nats.sinks["nats"] else { panic!("not nats") };
    assert_eq!(sink.servers, ["nats://localhost:4222"]);
    assert_eq!(route(&nats), "orders.{aggregatetype}");

    let kafka = to("kafka://a:9092,b:9092").unwrap();
    let SinkConfig::Kafka(sink) = &kafka.sinks["kafka"] else { panic!("not kafka") };
    assert_eq!(sink.brokers, ["a:9092", "b:9092"]);
    assert_eq!(route(&kafka), "outbox.event.{aggregatetype}");

    for (address, url, path) in [
        ("http://localhost:8080/hooks", "http://localhost:8080/hooks", ""),
        ("https://a/{aggregatetype}/{id}", "https://a", "/{aggregatetype}/{id}"),
        ("http://a", "http://a", ""),
    ] {
        let http = to(address).unwrap();
        let SinkConfig::Http(sink) = &http.sinks["http"] else { panic!("not http") };
        assert_eq!((sink.url.as_str(), route(&http)), (url, path));
    }
    assert!(matches!(to("stdout:").unwrap().sinks["stdout"], SinkConfig::Stdout { .. }));
}

#[test]
fn an_outbox_is_taken_as_it_was_typed() {
    let config = to("stdout:").unwrap();
    let source = &config.sources["outbox"];
    assert_eq!(source.start, FirstStart::Now);
    let SourceAdapter::Postgres(postgres) = &source.adapter else { panic!("not postgres") };
    assert_eq!(postgres.url, "postgres://relay:a${b}c@localhost/shop");
    let config = from_flags("sqlite:a \"b\".db", None, "stdout:", Some("beginning")).unwrap();
    let SourceAdapter::Sqlite(sqlite) = &config.sources["outbox"].adapter else { panic!("not sqlite") };
    assert_eq!(sqlite.path, std::path::Path::new("a \"b\".db"));
}

#[test]
fn mistakes_name_the_flag() {
    let wrong = |found: Vec<Diagnostic>| {
        found.into_iter().map(|it| (it.code, it.origin, it.place.is_none())).collect::<Vec<_>>()
    };
    let mistakes =
        |outbox: &str, table, to: &str, start| wrong(from_flags(outbox, table, to, start).unwrap_err());
    let flag = |code, flag: &str| (code, flag.to_owned(), true);
    assert_eq!(
        mistakes("mysql://a", None, "amqp://b/c", None),
        [flag("C040", "--outbox"), flag("C040", "--to")]
    );
    assert_eq!(mistakes("sqlite:a", None, "stdout:", None), [flag("C017", "--start")]);
    assert_eq!(mistakes("sqlite:a", None, "stdout:", Some("then")), [flag("C013", "--start")]);
    assert_eq!(mistakes("sqlite:a", Some("a.b"), "stdout:", Some("now")), [flag("C016", "--table")]);
    assert_eq!(mistakes("postgres://", None, "stdout:", Some("now")), [flag("C016", "--outbox")]);
    assert_eq!(mistakes("sqlite:a", None, "nats://h/{key}", Some("now")), [flag("C018", "--to")]);
    assert_eq!(mistakes("sqlite:a", None, "kafka://h/x", Some("now")), [flag("C016", "--to")]);
}
