//! Plugins are swapped while events flow.

use std::time::Duration;

use relay_tests::journal::{SqliteWriter, WriterPlan, Writers};
use relay_tests::program::{Destinations, Relay, Window, another_build, component, put, settings};
use relay_tests::stack::HttpReceiver;

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const SWAPS: u16 = 5;
/// Kafka, NATS, HTTP.
const LANES: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_repeat_and_reorder_nothing_and_broken_builds_are_refused() {
    let shop = Shop::open("reload", Window::Standard).await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("router.wasm");
    let original = component("router").await.unwrap();
    let good = std::fs::read(&original).unwrap();
    put(&good, &place).unwrap();
    let settings = shop.settings.replace(&original.display().to_string(), &place.display().to_string());
    let mut relay = Relay::start(&settings).await.unwrap();
    let plan = WriterPlan { events: 6_000, pause: Duration::from_millis(2), ..WriterPlan::default() };
    relay.wait_for_log("reading", LANES, LIMIT).await.unwrap();
    let writers = Writers::start(&shop.url, &plan);

    for number in 1..=SWAPS {
        put(&another_build(&good, number), &place).unwrap();
        relay.wait_for_log("plugin swapped: router", LANES * usize::from(number), LIMIT).await.unwrap();
        // A file cut short, in place: what a copy that was interrupted leaves.
        std::fs::write(&place, &good[..good.len() / 2 + usize::from(number)]).unwrap();
        relay.wait_for_log("refused", usize::from(number), LIMIT).await.unwrap();
    }
    let journal = writers.finish().await;
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!((report.arrived, report.duplicates), (journal.committed(), 0), "{sink}: {report}");
    }
}

async fn wait(relay: &Relay, words: &str, times: usize) {
    relay.wait_for_log(words, times, LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_a_reload_lose_nothing_and_keep_the_order() {
    const KILLS: usize = 6;
    let window = Window::Events { events: 200, batch: 50 };
    let shop = Shop::open("reload-kill", window).await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("router.wasm");
    let original = component("router").await.unwrap();
    let good = std::fs::read(&original).unwrap();
    put(&good, &place).unwrap();
    let settings = shop.settings.replace(&original.display().to_string(), &place.display().to_string());
    let mut relay = Relay::start(&settings).await.unwrap();
    let plan = WriterPlan { events: u64::MAX, pause: Duration::from_millis(5), ..WriterPlan::default() };
    let writers = Writers::start(&shop.url, &plan);
    for kill in 0..KILLS {
        wait(&relay, "reading", LANES * (kill + 1)).await;
        let more = shop.receiver.count() as u64 + 100;
        shop.wait_for_requests(more, &mut relay, LIMIT).await;
        let log = std::fs::read_to_string(relay.folder().join("relay.log")).unwrap();
        put(&another_build(&good, u16::try_from(kill).unwrap()), &place).unwrap();
        // Killed before the build is read, when it has just been handed to the lanes, and once a lane has it.
        let until = ["", "plugin swapped: batches", "plugin swapped: router"][kill % 3];
        if !until.is_empty() {
            wait(&relay, until, log.matches(until).count() + 1).await;
        }
        relay.restart().unwrap();
    }
    let journal = writers.stop().await;
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    relay.stop(DRAIN_LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert!(report.duplicates <= KILLS * 250 && report.replays <= KILLS, "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_takes_over_another_configuration_of_a_plugin_and_refuses_a_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let mut writer = SqliteWriter::create(&file).await.unwrap();
    writer.write(100, 5).await.unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let router = component("router").await.unwrap();
    let to = Destinations { http: Some((&receiver.url(), "/orders")), ..Destinations::default() };
    let settings = settings(&file.display().to_string(), &router, to, Window::Standard);
    let mut relay = Relay::start(&settings).await.unwrap();
    receiver.wait_for(100, LIMIT).await.unwrap();
    let before = receiver.count();

    relay.reconfigure(&settings.replace("[pipeline.", "[pipline.")).unwrap();
    wait(&relay, "nothing is read again: C003", 1).await;
    relay.reconfigure(&settings.replace("http = \"/orders\"", "http = 7")).unwrap();
    wait(&relay, "P107", 1).await;
    relay.reconfigure(&settings.replace("http = \"/orders\"", "http = \"/orders/{aggregateid}\"")).unwrap();
    wait(&relay, "plugin swapped: router", 1).await;
    writer.write(200, 5).await.unwrap();
    let journal = writer.finish().await.unwrap();
    let received = receiver.wait_for(journal.committed(), LIMIT).await.unwrap();
    assert!(received[..before].iter().all(|it| it.path == "/orders"));
    assert!(received[before..].iter().all(|it| it.path.starts_with("/orders/order-")), "{received:?}");
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
}
