//! The relay is killed and nothing is lost.

use std::time::Duration;

use relay_tests::journal::{Random, WriterPlan, Writers};
use relay_tests::program::{Relay, Window};

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(240);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// Small, so that the bound on repeats means something beside 10,000 events.
const WINDOW: Window = Window::Events { events: 200, batch: 50 };
const UNSETTLED: usize = 250;

/// Kills the relay `kills` times while writers commit `events` events, each time once some more of them arrived.
async fn survives_kills(name: &'static str, kills: usize, events: u64) {
    let shop = Shop::open(name, WINDOW).await;
    let mut relay = Relay::start(&shop.settings).await.unwrap();
    let plan = WriterPlan { events, pause: Duration::from_millis(2), ..WriterPlan::default() };
    let writers = Writers::start(&shop.url, &plan);
    let mut random = Random::new(7);
    // The last kill comes when at most half has arrived, so that each hits a relay at work.
    let most = events / 2 / kills as u64;
    for _ in 0..kills {
        let more = shop.receiver.count() as u64 + 1 + random.below(most);
        shop.wait_for_requests(more, &mut relay, LIMIT).await;
        relay.restart().unwrap();
    }
    let journal = writers.finish().await;
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    relay.stop(DRAIN_LIMIT).await.unwrap();

    for (sink, report) in shop.reports(&journal).await {
        println!("{sink}: {report}");
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert!(report.duplicates <= kills * UNSETTLED, "only the window is sent again; {sink}: {report}");
        assert!(report.replays <= kills, "once for each kill; {sink}: {report}");
        if sink == "nats" {
            assert_eq!(report.duplicates, 0, "NATS knows a repeat by its idempotency key");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_of_the_relay_lose_nothing_and_keep_the_order() {
    survives_kills("kill", 10, 10_000).await;
}

/// The long campaign: `./tests/run --long`, or as many kills as `RELAY_TEST_KILLS` says.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_kills_of_the_relay_lose_nothing_and_keep_the_order() {
    let asked = std::env::var("RELAY_TEST_KILLS").ok().map(|it| it.parse().unwrap());
    let long = std::env::var_os("RELAY_TEST_LONG").map(|_| 1_000);
    if let Some(kills) = asked.or(long) {
        survives_kills("kill-long", kills, 200 * kills as u64).await;
    }
}
