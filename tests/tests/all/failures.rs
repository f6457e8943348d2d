//! What goes wrong stays where it went wrong, and is put right from the command line.

use std::time::Duration;

use relay_tests::journal::{WriterPlan, Writers, check};
use relay_tests::program::{Relay, Window};
use relay_tests::stack::Answer;
use serde_json::Value;
use sqlx::Connection as _;

use crate::keyed_shop::{KeyedShop, dead, wait_for_dead};
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const EVENTS: usize = 1_000;
const KEYS: u64 = 20;
const ATTEMPTS: u32 = 3;
const POISONED: &str = "order-3";

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_is_one_dead_letter_its_key_waits_and_a_retry_sends_it_in_order() {
    let shop = KeyedShop::write(EVENTS, KEYS).await;
    let poisoned = format!("/orders/{POISONED}");
    shop.receiver.answer_path(&poisoned, Answer::status(422));
    let mut relay = Relay::start(&shop.settings(ATTEMPTS, "").await).await.unwrap();

    let of_others = shop.journal.committed_of(|event| event.key != POISONED);
    shop.receiver.wait_for(of_others + 3, LIMIT).await.unwrap();
    let listed = wait_for_dead(&relay, 1, LIMIT).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["count"], 1, "one event is dead, those of its key wait: {listed:?}");
    assert_eq!(
        shop.requests_for(&poisoned),
        3,
        "three attempts, as configured, and nothing of the key past it"
    );

    let in_vain = relay.ask(&["dead", "retry", "--all", "--wait", "60s"]).await.unwrap_err().to_string();
    assert!(in_vain.contains("1 event dead again: S"), "{in_vain}");
    let refused = shop.requests_for(&poisoned);
    assert_eq!(refused, 6, "another three attempts");
    shop.receiver.answer_path(&poisoned, Answer::status(204));
    let told = relay.ask(&["dead", "retry", "--all", "--wait", "60s"]).await.unwrap();
    assert!(told.contains("1 event through"), "{told}");
    shop.receiver.wait_for(shop.journal.committed() + refused, LIMIT).await.unwrap();
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    assert!(dead(&relay).await.is_empty());
    let report = check(&shop.journal, &shop.accepted(refused, Some(&poisoned)));
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!((report.arrived, report.duplicates), (shop.journal.committed(), 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_sent_anew_with_another_payload_or_dropped_and_its_key_goes_on() {
    let shop = KeyedShop::write(100, 5).await;
    let (edited, dropped) = ("/orders/order-3", "/orders/order-4");
    shop.receiver.answer_path(edited, Answer::status(422));
    shop.receiver.answer_path(dropped, Answer::status(422));
    let mut relay = Relay::start(&shop.settings(ATTEMPTS, "").await).await.unwrap();
    wait_for_dead(&relay, 2, LIMIT).await;

    shop.receiver.answer_path(edited, Answer::status(204));
    shop.receiver.answer_path(dropped, Answer::status(204));
    let refused = shop.receiver.count();
    let dry = relay.ask(&["dead", "drop", "--key", "order-4", "--dry-run"]).await.unwrap();
    assert!(dry.starts_with("1 event of 1 key would be dropped"), "{dry}");
    assert_eq!(shop.receiver.count(), refused);
    relay.ask(&["dead", "drop", "--key", "order-4"]).await.unwrap();
    let payload = shop.folder.path().join("payload.json");
    std::fs::write(&payload, b"{\"mended\":true}").unwrap();
    let listed = relay.ask(&["dead", "list", "--key", "order-3", "--json"]).await.unwrap();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["one_of_them"].as_str().unwrap();
    relay.ask(&["dead", "edit", id, "--payload", payload.to_str().unwrap()]).await.unwrap();

    let of_both = shop.journal.committed_of(|event| ["order-3", "order-4"].contains(&event.key.as_str()));
    // All but the dropped one.
    shop.receiver.wait_for(refused + of_both - 1, LIMIT).await.unwrap();
    relay.stop(DRAIN_LIMIT).await.unwrap();
    assert!(dead(&relay).await.is_empty());
    let sent = shop.receiver.received();
    let first = sent[refused..].iter().find(|request| request.path == edited).unwrap();
    assert_eq!(first.body, b"{\"mended\":true}");
    let key = first.header("webhook-id").unwrap();
    assert!(key.starts_with(&format!("orders/{id}/0~")), "a key of its own: {key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_over_the_limit_is_a_dead_letter_that_an_operator_gives_another() {
    let shop = KeyedShop::write(10, 10).await;
    let sql = "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload)
               VALUES ('giant', 'order', 'order-3', 'changed', zeroblob(4 << 20)),
                      ('behind', 'order', 'order-3', 'changed', 'small')";
    let mut application = sqlx::SqliteConnection::connect(&shop.file.display().to_string()).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut application).await.unwrap();
    let settings = shop.settings(ATTEMPTS, "").await;
    let settings = settings.replace("type = \"sqlite\"", "type = \"sqlite\"\nmax_payload = \"1 MiB\"");
    let mut relay = Relay::start(&settings).await.unwrap();
    shop.receiver.wait_for(shop.journal.committed(), LIMIT).await.unwrap();
    let listed = wait_for_dead(&relay, 1, LIMIT).await;
    assert_eq!(
        (&listed[0]["code"], &listed[0]["one_of_them"]),
        (&"D318".into(), &"giant".into()),
        "{listed:?}"
    );
    let in_vain =
        relay.ask(&["dead", "retry", "--id", "giant", "--wait", "60s"]).await.unwrap_err().to_string();
    assert!(in_vain.contains("dead again: D318 its payload has 4194304 bytes"), "{in_vain}");

    let payload = shop.folder.path().join("payload.json");
    std::fs::write(&payload, b"{\"see\":\"elsewhere\"}").unwrap();
    relay
        .ask(&["dead", "edit", "giant", "--payload", payload.to_str().unwrap(), "--wait", "60s"])
        .await
        .unwrap();
    shop.receiver.wait_for(shop.journal.committed() + 2, LIMIT).await.unwrap();
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    let bodies: Vec<_> = shop.receiver.received().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies[shop.journal.committed()..], [&b"{\"see\":\"elsewhere\"}"[..], b"small"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_survive_a_kill_of_the_relay() {
    let shop = KeyedShop::write(100, 5).await;
    shop.receiver.answer_path(&format!("/orders/{POISONED}"), Answer::status(422));
    let mut relay = Relay::start(&shop.settings(ATTEMPTS, "").await).await.unwrap();
    let of_others = shop.journal.committed_of(|event| event.key != POISONED);
    shop.receiver.wait_for(of_others + 3, LIMIT).await.unwrap();
    let before = wait_for_dead(&relay, 1, LIMIT).await;
    relay.restart().unwrap();
    relay.wait_for_log("reading", 2, LIMIT).await.unwrap();
    assert_eq!(dead(&relay).await, before);
    let refused = shop.receiver.received().iter().filter(|it| it.path.ends_with(POISONED)).count();
    assert_eq!(refused, 3, "a restart tries no dead letter again by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_outside_the_grant_is_a_dead_letter_and_reaches_nobody() {
    let shop = KeyedShop::write(10, 10).await;
    let settings =
        shop.settings(ATTEMPTS, "").await.replace("billing = [\"/orders\"]", "billing = [\"/other\"]");
    let relay = Relay::start(&settings).await.unwrap();
    relay.wait_for_log("R401", 10, LIMIT).await.unwrap();
    let listed = wait_for_dead(&relay, 1, LIMIT).await;
    assert_eq!(listed[0]["code"], "R401", "{listed:?}");
    assert_eq!(shop.receiver.count(), 0);
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
