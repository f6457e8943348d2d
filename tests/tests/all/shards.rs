//! Lanes divided by their keys, and relays that share them.

use std::time::{Duration, Instant};

use relay_tests::journal::{WriterPlan, Writers};
use relay_tests::program::{Relay, Window};
use serde_json::Value;

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
const WINDOW: Window = Window::Events { events: 200, batch: 50 };
/// What a window can hold beyond its limit is one batch.
const UNSETTLED: usize = 250;
/// Kafka, NATS and HTTP.
const SINKS: usize = 3;
const SHARDS: usize = 4;

async fn divided(name: &'static str) -> Shop {
    let mut shop = Shop::open(name, WINDOW).await;
    shop.settings = shop.settings.replace("window =", &format!("shards = {SHARDS}\nwindow ="));
    shop
}

/// Starts a relay that calls itself `name`.
async fn relay(shop: &Shop, name: &str) -> Relay {
    Relay::start_with(&shop.settings, &["--name", name]).await.unwrap()
}

/// Waits until each of these relays owns so many lanes of every sink, as `relay status` shows it.
async fn wait_for_shares(asked: &Relay, relays: &[(&str, usize)]) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = asked.ask(&["status", "--json"]).await.unwrap();
        let lanes: Vec<Value> = serde_json::from_str(&status).unwrap();
        let owned = |name: &str, sink: &str| {
            let owns = |it: &&Value| it["owner"] == name && it["leased"] == true && it["sink"] == sink;
            lanes.iter().filter(owns).count()
        };
        let shared = |(name, share): &(&str, usize)| {
            ["events", "tell", "billing"].into_iter().all(|sink| owned(name, sink) == *share)
        };
        if lanes.len() == SINKS * SHARDS && relays.iter().all(shared) {
            return;
        }
        assert!(Instant::now() < deadline, "not shared as {relays:?}: {status}\n{}", asked.log());
        tokio::time::sleep(LOOK).await;
    }
}

fn load(events: u64) -> WriterPlan {
    WriterPlan { events, pause: Duration::from_millis(1), ..WriterPlan::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_share_the_lanes_and_hand_them_over_without_loss_repeat_or_disorder() {
    let shop = divided("shards-shared").await;
    let mut first = relay(&shop, "one").await;
    // Before the first one has made the tables there is nothing to ask for.
    first.wait_for_log("\"reading\"", SINKS * SHARDS, LIMIT).await.unwrap();
    wait_for_shares(&first, &[("one", 4)]).await;
    let writers = Writers::start(&shop.url, &load(3_000));
    shop.wait_for_requests(200, &mut first, LIMIT).await;

    let mut second = relay(&shop, "two").await;
    wait_for_shares(&first, &[("one", 2), ("two", 2)]).await;
    first.stop(LIMIT).await.unwrap();
    wait_for_shares(&second, &[("two", 4)]).await;
    let mut third = relay(&shop, "three").await;
    wait_for_shares(&second, &[("two", 2), ("three", 2)]).await;

    let journal = writers.finish().await;
    shop.wait_for_all(&journal, &mut second, LIMIT).await;
    second.stop(LIMIT).await.unwrap();
    third.stop(LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!(report.duplicates, 0, "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lanes_of_a_killed_relay_go_to_those_that_are_left() {
    let shop = divided("shards-killed").await;
    let mut first = relay(&shop, "one").await;
    first.wait_for_log("\"reading\"", SINKS * SHARDS, LIMIT).await.unwrap();
    let mut second = relay(&shop, "two").await;
    wait_for_shares(&first, &[("one", 2), ("two", 2)]).await;
    let writers = Writers::start(&shop.url, &load(2_000));
    shop.wait_for_requests(500, &mut first, LIMIT).await;
    first.kill();
    wait_for_shares(&second, &[("two", 4)]).await;

    let journal = writers.finish().await;
    shop.wait_for_all(&journal, &mut second, LIMIT).await;
    second.stop(LIMIT).await.unwrap();
    for (sink, mut report) in shop.reports(&journal).await {
        // Two lanes were killed at once, and what each repeats is among what the other two send.
        report.broken_replays.clear();
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert!(report.duplicates <= 2 * UNSETTLED, "{sink}: {report}");
    }
}
