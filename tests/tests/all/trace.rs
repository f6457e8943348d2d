//! What became of an event is told from what is durable, whether a relay runs or not.

use std::time::{Duration, Instant};

use relay_tests::journal::{Outcome, create_outbox};
use relay_tests::program::{Destinations, Profile, Relay, Window, component, program, settings};
use relay_tests::stack::{Answer, HttpReceiver, shared_postgres};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::keyed_shop::{KeyedShop, wait_for_dead};
use crate::tapped::Tapped;

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);
const POISONED: &str = "order-3";

/// The only lane of the only outbox that knows the event.
async fn lane(relay: &Relay, id: &str) -> (Value, Value) {
    let told: Value = serde_json::from_str(&relay.ask(&["trace", id, "--json"]).await.unwrap()).unwrap();
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told[0]["lanes"].as_array().map(Vec::len), Some(1), "{told}");
    (told[0].clone(), told[0]["lanes"][0].clone())
}

/// The same, once it is in `state`.
async fn lane_in(relay: &Relay, id: &str, state: &str) -> Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        let (_, lane) = lane(relay, id).await;
        if lane["state"] == state {
            return lane;
        }
        assert!(Instant::now() < deadline, "not {state}: {lane}; the relay's log:\n{}", relay.log());
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fate_is_told_while_the_relay_runs_and_after_it_stopped() {
    let shop = KeyedShop::write(100, 5).await;
    shop.receiver.answer_path(&format!("/orders/{POISONED}"), Answer::status(422));
    let mut relay = Relay::start(&shop.settings(3, "").await).await.unwrap();
    wait_for_dead(&relay, 1, LIMIT).await;
    let committed = shop.journal.events.iter().filter(|(_, outcome)| *outcome == Outcome::Committed);
    let of_poisoned: Vec<_> = committed.clone().filter(|(it, _)| it.key == POISONED).collect();
    let (first, third) = (&of_poisoned[0].0, &of_poisoned[2].0);
    let other = &committed.clone().find(|(it, _)| it.key != POISONED).unwrap().0;

    for stopped in [false, true] {
        if stopped {
            assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
        }
        let dead = lane_in(&relay, &first.id, "dead").await;
        assert_eq!((&dead["attempts"], &dead["code"]), (&3.into(), &"S214".into()), "{dead}");
        assert_eq!(dead["plugins"].as_array().map(Vec::len), Some(1), "{dead}");
        let blocked = lane_in(&relay, &third.id, "blocked").await;
        assert_eq!((&blocked["behind"], &blocked["ahead"]), (&first.id.as_str().into(), &2.into()));
        let settled = lane_in(&relay, &other.id, "settled").await;
        assert_eq!(settled["or_before_start"], false);
        assert_eq!(settled["lane"]["leased"], !stopped, "{settled}");
    }
    let (event, _) = lane(&relay, &other.id).await;
    assert_eq!((&event["key"], &event["type"]), (&other.key.as_str().into(), &"OrderPlaced".into()));

    assert_nobody_knows(&relay, "nobody").await;
}

async fn assert_nobody_knows(relay: &Relay, id: &str) {
    let unknown = std::process::Command::new(program(Profile::of_tests()).await.unwrap())
        .args(["trace", id, "--config"])
        .arg(relay.folder().join("relay.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("no outbox has the event {id:?}")), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_relay_has_come_to_is_not_reached() {
    let mut tapped = Tapped::start("").await;
    tapped.commit(1..2).await;
    lane_in(&tapped.relay, "event-1", "settled").await;
    tapped.relay.stop(DRAIN_LIMIT).await.unwrap();
    tapped.commit(2..3).await;
    let (event, waiting) = lane(&tapped.relay, "event-2").await;
    assert_eq!((&event["sequence"], &waiting["state"]), (&2.into(), &"not_reached".into()));
    assert_eq!(lane(&tapped.relay, "event-1").await.1["state"], "settled");
    let text = tapped.relay.ask(&["trace", "event-2"]).await.unwrap();
    assert!(text.contains("orders → billing: not reached yet"), "{text}");
    tapped.relay.restart().unwrap();
    lane_in(&tapped.relay, "event-2", "settled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgres_a_late_commit_is_not_taken_for_one_that_was_passed() {
    let url = shared_postgres().await.unwrap().create_database("trace").await.unwrap();
    create_outbox(&url).await.unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let to = Destinations { http: Some((&receiver.url(), "/orders")), ..Destinations::default() };
    let router = component("router").await.unwrap();
    let (mut early, mut writer) =
        (PgConnection::connect(&url).await.unwrap(), PgConnection::connect(&url).await.unwrap());
    let [late, prompt] = ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"];

    let mut open = early.begin().await.unwrap();
    let late_transaction = insert(&mut open, late).await;
    let prompt_transaction = insert(&mut writer, prompt).await;
    let mut relay = Relay::start(&settings(&url, &router, to, Window::Standard)).await.unwrap();
    let settled = lane_in(&relay, prompt, "settled").await;
    assert_eq!(settled["lane"]["plugins"].as_array().map(Vec::len), Some(1), "{settled}");
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    open.commit().await.unwrap();

    // Its sequence and its transaction are lower than those of what was passed.
    let (event, waiting) = lane(&relay, late).await;
    assert_eq!((&event["sequence"], &event["row"]["transaction"]), (&1.into(), &late_transaction.into()));
    assert_eq!(waiting["state"], "not_reached");
    let (event, settled) = lane(&relay, prompt).await;
    assert_eq!((&event["sequence"], &event["row"]["transaction"]), (&2.into(), &prompt_transaction.into()));
    assert_eq!(settled["state"], "settled");
    assert_nobody_knows(&relay, "not-a-uuid").await;
    assert_nobody_knows(&relay, "00000000-0000-0000-0000-00000000000c").await;

    relay.restart().unwrap();
    lane_in(&relay, late, "settled").await;
    receiver.wait_for(2, LIMIT).await.unwrap();
}

/// Inserts the event and returns its transaction.
async fn insert(connection: &mut PgConnection, id: &str) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) \
         VALUES ($1::uuid, 'order', 'order-1', 'OrderPlaced', '{}') RETURNING txid",
    )
    .bind(id)
    .fetch_one(connection)
    .await
    .unwrap()
}
