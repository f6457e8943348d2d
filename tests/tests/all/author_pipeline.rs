//! `relay test`: golden cases through whole pipelines, with real components and no server.

use std::fs;
use std::path::Path;
use std::process::Output;

use relay_tests::program::component;

use crate::author::{assert_ends, author, relay};

const CONFIGURATION: &str = r#"
[source.shop]
type  = "postgres"
url   = "postgres://nobody@192.0.2.1/none"      # never dialled
table = "public.outbox"
start = "now"

[sink.events]
type    = "kafka"
brokers = ["192.0.2.1:9092"]

[sink.billing]
type = "http"
url  = "http://192.0.2.1"

[plugin.redact]
component = "REDACT"
config    = { remove = ["/email"] }

[plugin.router]
component = "ROUTER"
config    = { rules = [{ then = { send = [{ kafka = "orders.{type}" }, { http = "/orders/{aggregateid}" }] } }] }
grant     = { events = ["orders.*"], billing = ["/orders"] }

[pipeline.orders]
source  = "shop"
plugins = ["redact", "router"]
sinks   = ["events", "billing"]
"#;

const CASES: &str = r#"# what both sinks get
pipeline = "orders"

[[case]]
name = "an order without the address"
event = { aggregate_type = "order", aggregate_id = "order-1", type = "placed", payload = '{"email":"a@example.org","total":12}' }

[[case]]
name = "what is no JSON is a dead letter"
event = { aggregate_type = "order", aggregate_id = "order-2", type = "placed", payload = "hello" }
"#;

fn test(folder: &Path, arguments: &[&str]) -> Output {
    author(&relay(), folder).arg("test").args(arguments).output().unwrap()
}

#[tokio::test]
async fn a_pipeline_is_tested_with_its_components_grants_and_routes() {
    let (redact, router) = (component("redact").await.unwrap(), component("router").await.unwrap());
    let text = CONFIGURATION
        .replace("REDACT", &redact.display().to_string())
        .replace("ROUTER", &router.display().to_string());
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
    write("relay.toml", &text);
    fs::create_dir(folder.path().join("tests")).unwrap();
    write("tests/orders.toml", CASES);

    let (out, _) = assert_ends(&test(folder.path(), &[]), 1);
    assert!(out.contains("nothing is written down yet; it came out as\n"), "{out}");
    assert!(out.contains("message to kafka orders.placed, sink events"), "{out}");
    assert!(out.contains("message to http /orders/order-1, sink billing"), "{out}");
    assert!(!out.contains("a@example.org"), "{out}");
    assert_ends(&test(folder.path(), &["--update"]), 0);
    let (out, _) = assert_ends(&test(folder.path(), &[]), 0);
    assert!(out.ends_with("2 cases, all passed\n"), "{out}");
    let written = fs::read_to_string(folder.path().join("tests/orders.toml")).unwrap();
    assert!(written.contains("# what both sinks get") && written.contains("sink = \"billing\""), "{written}");
    assert!(written.contains("code = \"P161\""), "{written}");

    // A grant that is taken back is seen.
    write("relay.toml", &text.replace("billing = [\"/orders\"]", "billing = [\"/invoices\"]"));
    let (out, _) = assert_ends(&test(folder.path(), &["--junit", "report.xml"]), 1);
    assert!(out.contains("+ reject R401: "), "{out}");
    assert!(fs::read_to_string(folder.path().join("report.xml")).unwrap().contains("failures=\"1\""));

    // Rows of a database are given by the file, and only those that somebody reads.
    let table = "[lookup.tiers]\nsource = \"shop\"\nquery = \"SELECT 1\"\nkey = \"id\"\n\n[pipeline.orders]";
    let reading = text
        .replace("[pipeline.orders]", table)
        .replace("component = \"", "lookups = [\"tiers\"]\ncomponent = \"");
    write("relay.toml", &reading);
    let (_, err) = assert_ends(&test(folder.path(), &[]), 4);
    assert!(err.contains("[lookup.tiers]") && err.contains("no server is dialled"), "{err}");
    write("tests/orders.toml", &format!("{CASES}\n[lookup.tiers]\nx = 1\n"));
    assert_ends(&test(folder.path(), &["--update"]), 0);
    write("tests/orders.toml", &format!("{CASES}\n[lookup.tears]\nx = 1\n[lookup.tiers]\n"));
    let (_, err) = assert_ends(&test(folder.path(), &[]), 4);
    assert!(err.contains("\"tears\"") && err.contains("its plugins read: tiers"), "{err}");

    write("tests/orders.toml", &CASES.replace("\"orders\"", "\"order\""));
    let (_, err) = assert_ends(&test(folder.path(), &[]), 4);
    assert!(err.contains("there is no pipeline \"order\"") && err.contains("there are: orders"), "{err}");
}
