//! What goes wrong stays where it went wrong, and is put right from the command line.

use std::path::Path;
use std::time::Duration;

use relay_tests::journal::{Journal, Observed, SqliteWriter, WriterPlan, Writers, check};
use relay_tests::program::{Destinations, Relay, Window, component, settings};
use relay_tests::stack::{Answer, HttpReceiver};
use serde_json::Value;

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const EVENTS: usize = 1_000;
const KEYS: u64 = 20;
const POISONED: &str = "order-3";

/// Settings for an SQLite outbox whose router gives each key a path of its own at the receiver.
async fn per_key_settings(file: &Path, receiver: &HttpReceiver) -> String {
    let router = component("router").await.unwrap();
    let to = Destinations { http: Some((&receiver.url(), "/orders")), ..Destinations::default() };
    settings(&file.display().to_string(), &router, to, Window::Standard)
        .replace("http = \"/orders\"", "http = \"/orders/{aggregateid}\"")
        .replace("sinks = [", "retry = { first = \"10 ms\", max = \"20 ms\", attempts = 3 }\nsinks = [")
}

async fn dead(relay: &Relay) -> Vec<Value> {
    let listed = relay.ask(&["dead", "list", "--json"]).await.unwrap();
    serde_json::from_str(&listed).unwrap()
}

/// What the receiver accepted: a refused request is an attempt, not an arrival.
fn accepted(receiver: &HttpReceiver, journal: &Journal, refused: usize) -> relay_tests::journal::Report {
    let poisoned = format!("/orders/{POISONED}");
    let mut to_refuse = refused;
    let arrived = receiver.received().into_iter().filter(|request| {
        let counts = request.path == poisoned && to_refuse > 0;
        to_refuse -= usize::from(counts);
        !counts
    });
    let arrived: Vec<_> = arrived.collect();
    let observed: Vec<Observed> = arrived.iter().map(Into::into).collect();
    check(journal, &observed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_is_one_dead_letter_its_key_waits_and_a_retry_sends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let mut writer = SqliteWriter::create(&file).await.unwrap();
    writer.write(EVENTS, KEYS).await.unwrap();
    let journal = writer.finish().await.unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let poisoned = format!("/orders/{POISONED}");
    receiver.answer_path(&poisoned, Answer::status(422));
    let mut relay = Relay::start(&per_key_settings(&file, &receiver).await).await.unwrap();

    let of_others = journal.committed_of(|event| event.key != POISONED);
    receiver.wait_for(of_others + 3, LIMIT).await.unwrap();
    relay.wait_for_log("dead letter", 1, LIMIT).await.unwrap();
    let listed = dead(&relay).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["count"], 1, "one event is dead, those of its key wait: {listed:?}");
    let refused = receiver.received().iter().filter(|request| request.path == poisoned).count();
    assert_eq!(refused, 3, "three attempts, as configured, and nothing of the key past it");

    receiver.answer_path(&poisoned, Answer::status(204));
    relay.ask(&["dead", "retry", "--all"]).await.unwrap();
    receiver.wait_for(journal.committed() + 3, LIMIT).await.unwrap();
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    assert!(dead(&relay).await.is_empty());
    let report = accepted(&receiver, &journal, refused);
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!((report.arrived, report.duplicates), (journal.committed(), 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_sent_anew_with_another_payload_or_dropped_and_its_key_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let mut writer = SqliteWriter::create(&file).await.unwrap();
    writer.write(100, 5).await.unwrap();
    let journal = writer.finish().await.unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let (edited, dropped) = ("/orders/order-3", "/orders/order-4");
    receiver.answer_path(edited, Answer::status(422));
    receiver.answer_path(dropped, Answer::status(422));
    let mut relay = Relay::start(&per_key_settings(&file, &receiver).await).await.unwrap();
    relay.wait_for_log("dead letter", 2, LIMIT).await.unwrap();

    receiver.answer_path(edited, Answer::status(204));
    receiver.answer_path(dropped, Answer::status(204));
    let refused = receiver.count();
    let dry = relay.ask(&["dead", "drop", "--key", "order-4", "--dry-run"]).await.unwrap();
    assert!(dry.starts_with("1 event of 1 key would be dropped"), "{dry}");
    assert_eq!(receiver.count(), refused);
    relay.ask(&["dead", "drop", "--key", "order-4"]).await.unwrap();
    let payload = folder.path().join("payload.json");
    std::fs::write(&payload, b"{\"mended\":true}").unwrap();
    let listed = relay.ask(&["dead", "list", "--key", "order-3", "--json"]).await.unwrap();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["one_of_them"].as_str().unwrap();
    relay.ask(&["dead", "edit", id, "--payload", payload.to_str().unwrap()]).await.unwrap();

    let of_both = journal.committed_of(|event| ["order-3", "order-4"].contains(&event.key.as_str()));
    // All but the dropped one.
    receiver.wait_for(refused + of_both - 1, LIMIT).await.unwrap();
    relay.stop(DRAIN_LIMIT).await.unwrap();
    assert!(dead(&relay).await.is_empty());
    let sent = receiver.received();
    let first = sent[refused..].iter().find(|request| request.path == edited).unwrap();
    assert_eq!(first.body, b"{\"mended\":true}");
    let key = first.header("webhook-id").unwrap();
    assert!(key.starts_with(&format!("orders/{id}/0~")), "a key of its own: {key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_survive_a_kill_of_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let mut writer = SqliteWriter::create(&file).await.unwrap();
    writer.write(100, 5).await.unwrap();
    let journal = writer.finish().await.unwrap();
    let receiver = HttpReceiver::start().unwrap();
    receiver.answer_path(&format!("/orders/{POISONED}"), Answer::status(422));
    let mut relay = Relay::start(&per_key_settings(&file, &receiver).await).await.unwrap();
    let of_others = journal.committed_of(|event| event.key != POISONED);
    receiver.wait_for(of_others + 3, LIMIT).await.unwrap();
    relay.wait_for_log("dead letter", 1, LIMIT).await.unwrap();
    let before = dead(&relay).await;
    relay.restart().unwrap();
    relay.wait_for_log("reading", 2, LIMIT).await.unwrap();
    assert_eq!(dead(&relay).await, before);
    let refused = receiver.received().iter().filter(|it| it.path.ends_with(POISONED)).count();
    assert_eq!(refused, 3, "a restart tries no dead letter again by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_outside_the_grant_is_a_dead_letter_and_reaches_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let mut writer = SqliteWriter::create(&file).await.unwrap();
    writer.write(10, 10).await.unwrap();
    writer.finish().await.unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let settings =
        per_key_settings(&file, &receiver).await.replace("billing = [\"/orders\"]", "billing = [\"/other\"]");
    let relay = Relay::start(&settings).await.unwrap();
    relay.wait_for_log("R401", 10, LIMIT).await.unwrap();
    // The log is ahead of the settlement that records them.
    let deadline = std::time::Instant::now() + LIMIT;
    let mut listed = dead(&relay).await;
    while listed.is_empty() && std::time::Instant::now() < deadline {
        listed = dead(&relay).await;
    }
    assert_eq!(listed[0]["code"], "R401", "{listed:?}");
    assert_eq!(receiver.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_away_costs_no_attempt_and_holds_up_only_itself() {
    let mut shop = Shop::open("outage", Window::Standard).await;
    shop.receiver.stop();
    let mut relay = Relay::start(&shop.settings).await.unwrap();
    let plan = WriterPlan { events: 2_000, ..WriterPlan::default() };
    let journal = Writers::start(&shop.url, &plan).finish().await;
    shop.wait_for_others(&journal, &mut relay, LIMIT).await;
    relay.wait_for_log("no attempt is spent", 1, LIMIT).await.unwrap();
    assert_eq!(shop.receiver.count(), 0);

    shop.receiver.restart().unwrap();
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    assert!(dead(&relay).await.is_empty(), "an outage makes no dead letters");
    relay.stop(DRAIN_LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!(report.duplicates, 0, "{sink}: {report}");
    }
}
