//! Screens, word for word.

use clap::CommandFactory as _;
use relay_engine::event::Position;
use std::collections::BTreeMap;

use super::style::Style;
use super::{Arguments, Exit, Failure, check, diagnostics, explain, status};
use crate::config;
use crate::source::Backlog;
use crate::store::{LaneId, LaneSummary, StoreError};

/// The configuration of the product's front page, with the two mistakes of its `relay check` screen.
const WRONG: &str = r#"[source.shop]
type  = "postgres"
url   = "${DATABASE_URL:?the database that holds the outbox}"
table = "public.outbox"
start = "beginning"

# where events go
[sink.events]
type    = "kafak"
brokers = ["localhost:9092"]

[sink.tell]
type    = "nats"
servers = ["nats://localhost:4222"]

[sink.billing]
type = "http"
url  = "https://billing.internal/hooks"
sign = { secret = "whsec_c2VjcmV0" }

[plugin.router]
component = "plugins/router.wasm"
grant     = { events = ["orders.*"], billing = ["/invoices"] }
limits    = { memory = "32 MiB", time = "20 ms" }

# from the outbox to all three
[pipeline.orders]
source  = "shop"
plugins = ["router"]
sinks   = ["events", "tell", "bill"]
retry   = { first = "200 ms", max = "5 min", attempts = 12 }
on_dead = "block"
"#;

fn env(name: &str) -> Option<String> {
    (name == "DATABASE_URL").then(|| "postgres://relay:hunter2@localhost/shop".to_owned())
}

fn lane(pipeline: &str, sink: &str) -> LaneId {
    LaneId::new(pipeline, sink)
}

/// 2026-11-21T09:20:00Z
const NOW: u64 = 1_795_252_800_000_000;

fn behind() -> BTreeMap<LaneId, Backlog> {
    let waiting = Backlog { events: Backlog::MOST, oldest: Some(NOW - 61_000_000) };
    let nothing = Backlog { events: 0, oldest: None };
    BTreeMap::from([(lane("orders", "billing"), waiting), (lane("orders", "events"), nothing)])
}

fn lanes() -> Vec<LaneSummary> {
    let events = LaneSummary {
        lane: lane("orders", "events"),
        owner: "relay-a".to_owned(),
        term: 7,
        leased: true,
        state: "running".to_owned(),
        position: Some(Position { base: "7301/1/740:740:".to_owned(), after: 48_112 }),
        generation: vec!["c01d77aa00".to_owned(), "71aa02ff00".to_owned()],
        delivered: 1_048_112,
        discarded: 3,
        parked: 0,
        dead: 0,
        settled_at: Some(NOW - 2_000_000),
    };
    let billing = LaneSummary {
        lane: lane("orders", "billing"),
        delivered: 1_000_000,
        state: "outage: S203: 503 Service Unavailable; nothing is lost, nothing is spent".to_owned(),
        parked: 211,
        dead: 3,
        settled_at: Some(NOW - 61_000_000 * 6),
        ..events.clone()
    };
    let fresh = LaneSummary {
        lane: lane("audit", "log"),
        term: 1,
        leased: false,
        position: None,
        generation: Vec::new(),
        delivered: 0,
        discarded: 0,
        settled_at: None,
        ..events.clone()
    };
    vec![fresh, billing, events]
}

#[test]
fn mistakes_are_shown_with_their_line_and_what_is_allowed() {
    let found = config::parse(WRONG, "relay.toml", &env).unwrap_err();
    insta::assert_snapshot!("check_wrong", diagnostics::screen(&found, Style::PLAIN));
    insta::assert_snapshot!("check_wrong_in_colour", diagnostics::screen(&found, Style::COLOURED));
}

#[test]
fn without_colour_the_same_words_stand() {
    let found = config::parse(WRONG, "relay.toml", &env).unwrap_err();
    let coloured = diagnostics::screen(&found, Style::COLOURED);
    let mut plain = coloured.clone();
    for code in ["1;31", "1;33", "34", "1", "0"] {
        plain = plain.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(plain, diagnostics::screen(&found, Style::PLAIN));
}

#[test]
fn a_right_configuration_is_summed_up() {
    let right = WRONG.replace("kafak", "kafka").replace("\"bill\"", "\"billing\"");
    let config = config::parse(&right, "relay.toml", &env).unwrap();
    insta::assert_snapshot!("check_ok", check::screen("relay.toml", &config));
}

#[test]
fn tables_are_read_before_a_relay_has_to() {
    let tables = r#"
[lookup.customers]
file = "tests-of-check/customers.csv"
key  = "id"

[lookup.prices]
file = "tests-of-check/prices.json"
key  = "id"

[lookup.rates]
file = "tests-of-check/rates.csv"
key  = "id"

[lookup.zones]
query  = "SELECT * FROM zones"
key    = "id"
source = "shop"
"#;
    let router = "[plugin.router]\nlookups = [\"customers\", \"prices\", \"rates\", \"zones\"]";
    let text = WRONG.replace("kafak", "kafka").replace("\"bill\"", "\"billing\"") + tables;
    let text = text
        .replace("[plugin.router]", router)
        .replace("plugins = [\"router\"]", "plugins = [\"router\", \"second\"]")
        + "\n[plugin.second]\ncomponent = \"plugins/second.wasm\"\nlookups = [\"customers\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("customers.csv", "id,name\n7,Ann\n8,Bob\n");
    write("prices.json", "[{\"id\":1},{\"id\":1}]");
    let text = text.replace("tests-of-check", &folder.path().display().to_string());
    let config = config::parse(&text, "relay.toml", &env).unwrap();
    let screen = check::screen("relay.toml", &config).replace(&folder.path().display().to_string(), "tables");
    let told: Vec<&str> = screen.lines().filter(|it| it.starts_with("   lookup")).collect();
    insta::assert_snapshot!("check_lookups", told.join("\n"));
}

#[test]
fn warnings_are_told_apart_from_errors() {
    let unused = WRONG
        .replace("kafak", "kafka")
        .replace(", \"bill\"]", "]")
        .replace(", billing = [\"/invoices\"]", "");
    let config = config::parse(&unused, "relay.toml", &env).unwrap();
    insta::assert_snapshot!("check_warning", diagnostics::screen(&config.warnings, Style::PLAIN));
}

#[test]
fn wrong_flags_are_named_without_a_line() {
    let found = config::from_flags("mysql://localhost/shop", None, "nats:/localhost", None).unwrap_err();
    insta::assert_snapshot!("run_wrong_flags", diagnostics::screen(&found, Style::PLAIN));
    let found = config::from_flags("postgres://localhost/shop", None, "stdout:", None).unwrap_err();
    insta::assert_snapshot!("run_without_start", diagnostics::screen(&found, Style::PLAIN));
}

#[test]
fn status_shows_each_lane_and_those_that_never_ran() {
    let configured = [lane("orders", "events"), lane("orders", "tell")];
    insta::assert_snapshot!("status", status::screen(&lanes(), &behind(), &configured, NOW));
    insta::assert_snapshot!("status_json", status::json_screen(&lanes(), &behind()));
}

#[test]
fn a_failure_says_what_it_means_and_what_to_do() {
    let missing = std::io::Error::other("too many threads");
    insta::assert_snapshot!("failure_with_cause", Failure::setup(&missing).screen(Style::PLAIN));
    let usage = Failure::usage("no error has the code \"C999\"".to_owned(), "relay explain lists every code");
    insta::assert_snapshot!("failure_of_usage", usage.screen(Style::PLAIN));
}

#[test]
fn a_page_is_shown_with_its_title() {
    insta::assert_snapshot!("explain", explain::screen(crate::explain::page("C017").unwrap()));
}

#[test]
fn help_names_every_exit_code() {
    let help = Arguments::command().render_help().to_string();
    let all = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Configuration,
        Exit::Environment,
        Exit::OwnershipLost,
        Exit::Interrupted,
        Exit::Terminated,
    ];
    for exit in all {
        let line = format!("\n  {:>3}  ", exit as u8);
        assert!(help.contains(&line), "{exit:?} is not in --help");
    }
    insta::assert_snapshot!("help", help);
}

#[test]
fn every_command_has_examples_and_takes_consistent_arguments() {
    let command = Arguments::command();
    command.clone().debug_assert();
    for name in ["init", "check", "run", "status", "tap", "trace", "test", "dev", "demo", "explain"] {
        let help = command.find_subcommand(name).unwrap().clone().render_help().to_string();
        assert!(help.contains("Examples:"), "{name} has no examples");
    }
}

#[test]
fn lost_ownership_and_missing_servers_end_with_codes_of_their_own() {
    let lost: Failure = StoreError::Lost { lane: "orders → events".to_owned(), term: 7 }.into();
    assert_eq!(lost.exit(), Exit::OwnershipLost);
    let owned =
        StoreError::Owned { lane: "orders → events".to_owned(), owner: "relay-b".to_owned(), term: 3 };
    assert_eq!(Failure::from(owned).exit(), Exit::OwnershipLost);
    let refused =
        StoreError::Refused { code: "T502", what: "no schema".to_owned(), remedy: "run init".to_owned() };
    assert_eq!(Failure::from(refused).exit(), Exit::Environment);
    assert_eq!(Failure::from(Vec::new()).exit(), Exit::Configuration);
}
