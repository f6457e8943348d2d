//! Screens of `relay plugin`.

use std::time::Duration;

use serde_json::json;

use super::{bench, cases, history, inspect, junit, new, reload, rollback};
use crate::cli::style::Style;
use crate::plugin::bench::Figures;
use crate::plugin::build::Language;
use crate::plugin::golden::{CaseOutcome, CaseResult, Outcome, Suite};
use crate::plugin::history::{How, Left, Row};
use crate::plugin::host::PluginLimits;
use crate::plugin::inspect::{Inspection, Interface};
use crate::plugin::template::{Created, Sdk};

fn inspection() -> Inspection {
    let interface = |name: &str, functions: &[&str]| Interface {
        name: format!("relay:plugin/{name}@0.1.0"),
        functions: functions.iter().map(|&it| it.to_owned()).collect(),
    };
    Inspection {
        component: "plugins/hello.wasm".into(),
        size: 252_817,
        digest: "41d33f0a".repeat(8),
        contract: "relay:plugin@0.1.0".to_owned(),
        world: "transformer",
        imports: vec![interface("types", &[]), interface("log", &["write"]), interface("clock", &["now"])],
        stubs: vec![Interface {
            name: "wasi:clocks/wall-clock@0.2.12".to_owned(),
            functions: vec!["now".to_owned()],
        }],
        exports: vec![interface("transform", &["describe", "configure", "transform"])],
        name: "hello".to_owned(),
        version: "0.1.0".to_owned(),
        summary: "Sends each order to a topic".to_owned(),
        config_schema: Some(json!({
            "properties": {
                "topic": { "type": "string", "description": "The topic that orders go to." },
                "skip_tests": { "type": "boolean", "default": false },
            },
            "required": ["topic"],
        })),
    }
}

#[test]
fn inspect_shows_what_a_plugin_may_use_and_which_settings_it_takes() {
    insta::assert_snapshot!("inspect", inspect::screen(&inspection()));
    let quiet = Inspection { imports: Vec::new(), stubs: Vec::new(), config_schema: None, ..inspection() };
    insta::assert_snapshot!("inspect_nothing", inspect::screen(&quiet));
    insta::assert_snapshot!("inspect_json", inspect::json_screen(&inspection()));
}

/// One result of each kind.
fn results() -> Vec<CaseResult> {
    let event = "{ aggregate_type = \"order\", aggregate_id = \"order-17\", type = \"OrderPlaced\", payload = '{\"total\": 12, \"email\": \"a@example.org\"}' }";
    let case = |name: &str, outcome: &str| format!("[[case]]\nname = {name:?}\nevent = {event}\n{outcome}\n");
    let sent = "message = [{ kafka = \"orders\", headers = { tenant = \"blue\" } }]";
    let hashed = "message = [{ kafka = \"orders\", body = '{\"email\":\"sha256:1b4f\",\"total\":12}' }]";
    let text = [
        case("an order goes to the topic", sent),
        case("an address is hashed", hashed),
        case("not written yet", ""),
        case("counted", "discard = \"1\""),
        case("too \"large\" & <long>", "discard = \"a\""),
    ];
    let suite = Suite::parse("cases/orders.toml", &text.concat()).unwrap();
    let sent = suite.cases[0].expected.clone().unwrap();
    let outcomes = [
        (sent.clone(), CaseOutcome::Passed, None),
        (sent, CaseOutcome::Differs, None),
        (Outcome::Discard("no order".to_owned()), CaseOutcome::Unrecorded, None),
        (Outcome::Discard("1".to_owned()), CaseOutcome::Unstable(Outcome::Discard("2".to_owned())), None),
        (
            Outcome::Fault("P121".to_owned()),
            CaseOutcome::Differs,
            Some("used its 20ms of CPU time at hello::transform".to_owned()),
        ),
    ];
    let results = suite.cases.into_iter().zip(outcomes).map(|(case, (found, outcome, detail))| CaseResult {
        file: "cases/orders.toml".to_owned(),
        case,
        found,
        detail,
        outcome,
        duration: Duration::from_micros(12),
    });
    results.collect()
}

#[test]
fn test_shows_what_differs_and_what_to_do() {
    insta::assert_snapshot!("test", cases::screen(&results(), false, Style::PLAIN));
    insta::assert_snapshot!("test_update", cases::screen(&results(), true, Style::PLAIN));
    insta::assert_snapshot!("test_in_colour", cases::screen(&results()[..2], false, Style::COLOURED));
    insta::assert_snapshot!("test_passed", cases::screen(&results()[..1], false, Style::PLAIN));
}

#[test]
fn a_report_for_build_servers_holds_the_same() {
    insta::assert_snapshot!("test_junit", junit::report("hello", &results()));
}

#[test]
fn new_says_what_was_made_and_what_to_do() {
    let made = Created { dir: "hello".into(), name: "hello".to_owned(), sdk: Sdk::Copied };
    insta::assert_snapshot!("new", new::screen(&made));
    let sdk = Sdk::At("/srv/outbox-relay/plugin-sdk".into());
    insta::assert_snapshot!("new_with_sdk", new::screen(&Created { sdk, ..made.clone() }));
    let js = Sdk::OfLanguage(Language::JavaScript);
    insta::assert_snapshot!("new_js", new::screen(&Created { sdk: js, ..made.clone() }));
    let python = Sdk::OfLanguage(Language::Python);
    insta::assert_snapshot!("new_python", new::screen(&Created { sdk: python, ..made }));
}

#[test]
fn bench_shows_each_figure_beside_its_limit() {
    let figures = Figures {
        file: "cases/orders.toml".to_owned(),
        cases: 3,
        load: Duration::from_micros(61_400),
        instance: Duration::from_micros(31),
        events: 100_000,
        median: Duration::from_nanos(2_140),
        slowest_hundredth: Duration::from_nanos(3_910),
        slowest: ("an order goes to the topic as it is".to_owned(), Duration::from_micros(6)),
        memory_before: 1_114_112,
        memory_after: 1_179_648,
        messages: 1,
        output: 58,
        limits: PluginLimits::default(),
    };
    insta::assert_snapshot!("bench", bench::screen(std::slice::from_ref(&figures)));
    insta::assert_snapshot!("bench_json", bench::json_screen(&[figures]));
}

/// 2026-11-21T09:20:00Z
const NOW: u64 = 1_795_252_800_000_000;
const MINUTE: u64 = 60_000_000;

fn rows() -> Vec<Row> {
    let runs = Row {
        digest: "88fe10aa".repeat(8),
        version: Some("0.2.0".to_owned()),
        permissions: Some(vec!["log.write".to_owned()]),
        since: Some(NOW - 6 * MINUTE),
        came_by: Some(How::SwappedIn),
        until: None,
        left: None,
        reason: None,
        on_probation: true,
        kept: true,
    };
    let refused = Row {
        digest: "aa00bb11".repeat(8),
        version: None,
        permissions: None,
        since: None,
        came_by: None,
        until: Some(NOW - 8 * MINUTE),
        left: Some(Left::Refused),
        reason: Some("P118: it may use more than the build that runs (9f2c41): + clock.now".to_owned()),
        on_probation: false,
        kept: false,
    };
    let bad = Row {
        digest: "c01d7722".repeat(8),
        version: Some("0.1.1".to_owned()),
        since: Some(NOW - 20 * MINUTE),
        until: Some(NOW - 19 * MINUTE),
        left: Some(Left::RolledBack),
        reason: Some(format!(
            "P115: build c01d77 failed on 8 of its first 8 events; the last: {}",
            "trap ".repeat(40)
        )),
        on_probation: false,
        ..runs.clone()
    };
    let first = Row {
        digest: "9f2c4133".repeat(8),
        version: Some("0.1.0".to_owned()),
        since: Some(NOW - 26 * 60 * MINUTE),
        came_by: Some(How::Started),
        until: bad.since,
        left: Some(Left::Replaced),
        on_probation: false,
        ..runs.clone()
    };
    let again = Row { since: bad.until, came_by: Some(How::RolledBack), until: runs.since, ..first.clone() };
    vec![runs, refused, again, bad, first]
}

#[test]
fn history_shows_each_build_and_why_it_was_left() {
    insta::assert_snapshot!("history", history::screen(&rows(), NOW));
    insta::assert_snapshot!("history_json", history::json_screen(&rows()[1..2]));
}

#[test]
fn reload_and_rollback_show_what_came_of_them() {
    let identity = |digest: &str, version: &str| json!({ "digest": digest.repeat(8), "version": version });
    let (from, to) = (identity("c01d7722", "0.1.1"), identity("88fe10aa", "0.2.0"));
    let swapped = json!({
        "outcome": "swapped", "from": from, "to": to, "permissions": "+ clock.now", "cases": 3,
    });
    insta::assert_snapshot!("reload", reload::screen("redact", &swapped));
    let unchanged = json!({ "outcome": "unchanged", "to": to });
    insta::assert_snapshot!("reload_unchanged", reload::screen("redact", &unchanged));
    insta::assert_snapshot!("rollback", rollback::screen("redact", &swapped));
}
