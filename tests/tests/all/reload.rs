//! Plugins are swapped while events flow.

use std::path::Path;
use std::time::Duration;

use relay_tests::journal::{WriterPlan, Writers};
use relay_tests::program::{Relay, Window, component};

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const SWAPS: u8 = 5;
/// Kafka, NATS, HTTP.
const LANES: usize = 3;

/// Another build: the same code under another digest, by a custom section that every reader skips.
fn another_build(component: &[u8], number: u8) -> Vec<u8> {
    [component, &[0, 6, 4, b't', b'e', b's', b't', number]].concat()
}

/// As build tools do: the watcher must never see half of it.
fn put(bytes: &[u8], place: &Path) {
    let beside = place.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, place).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_repeat_and_reorder_nothing_and_broken_builds_are_refused() {
    let shop = Shop::open("reload", Window::Standard).await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("router.wasm");
    let original = component("router").await.unwrap();
    let good = std::fs::read(&original).unwrap();
    put(&good, &place);
    let settings = shop.settings.replace(&original.display().to_string(), &place.display().to_string());
    let mut relay = Relay::start(&settings).await.unwrap();
    let plan = WriterPlan { events: 6_000, pause: Duration::from_millis(2), ..WriterPlan::default() };
    relay.wait_for_log("reading", LANES, LIMIT).await.unwrap();
    let writers = Writers::start(&shop.url, &plan);

    for number in 1..=SWAPS {
        put(&another_build(&good, number), &place);
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
