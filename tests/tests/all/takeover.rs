//! Several relays on one outbox: one owns each lane, the others stand by.

use std::time::{Duration, Instant};

use relay_tests::journal::{WriterPlan, Writers};
use relay_tests::program::{Relay, Window};

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
/// What the documentation promises after a crash.
const TAKEOVER: Duration = Duration::from_secs(5);
/// Kafka, NATS and HTTP.
const LANES: usize = 3;
const WINDOW: Window = Window::Events { events: 200, batch: 50 };
/// What a window can hold beyond its limit is one batch.
const UNSETTLED: usize = 250;

const OWNS: &str = "\"reading\"";
const STANDS_BY: &str = "standing by";

/// A relay that owns every lane, and one that stands by.
async fn owner_and_standby(shop: &Shop) -> (Relay, Relay) {
    let owner = Relay::start(&shop.settings).await.unwrap();
    owner.wait_for_log(OWNS, LANES, LIMIT).await.unwrap();
    (owner, standby(shop).await)
}

async fn standby(shop: &Shop) -> Relay {
    let standby = Relay::start(&shop.settings).await.unwrap();
    standby.wait_for_log(STANDS_BY, LANES, LIMIT).await.unwrap();
    standby
}

/// Writes until a test has seen what it waits for, however long the machine takes over that.
fn load() -> WriterPlan {
    WriterPlan { events: u64::MAX, pause: Duration::from_millis(5), ..WriterPlan::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_are_killed_in_turn_and_their_standbys_take_over_within_five_seconds() {
    let shop = Shop::open("takeover", WINDOW).await;
    let (mut first, second) = owner_and_standby(&shop).await;
    let writers = Writers::start(&shop.url, &load());
    shop.wait_for_requests(500, &mut first, LIMIT).await;
    first.kill();
    second.wait_for_log(OWNS, LANES, TAKEOVER).await.unwrap();

    let mut third = standby(&shop).await;
    let mut second = second;
    let more = shop.receiver.count() as u64 + 500;
    shop.wait_for_requests(more, &mut second, LIMIT).await;
    second.kill();
    third.wait_for_log(OWNS, LANES, TAKEOVER).await.unwrap();

    let journal = writers.stop().await;
    shop.wait_for_all(&journal, &mut third, LIMIT).await;
    third.stop(LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert!(report.duplicates <= 2 * UNSETTLED, "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_slept_past_its_lease_finds_its_lanes_taken_and_stands_by() {
    let shop = Shop::open("takeover-asleep", WINDOW).await;
    let (mut sleeper, mut other) = owner_and_standby(&shop).await;
    let writers = Writers::start(&shop.url, &load());
    shop.wait_for_requests(500, &mut sleeper, LIMIT).await;
    sleeper.pause();
    // Its process is there, so only the end of its lease frees the lanes.
    let asleep = Instant::now();
    other.wait_for_log(OWNS, LANES, LIMIT).await.unwrap();
    let waited = asleep.elapsed();
    assert!(waited > Duration::from_secs(1), "a lease of 3 s was running: {waited:?}");
    let more = shop.receiver.count() as u64 + 500;
    shop.wait_for_requests(more, &mut other, LIMIT).await;
    sleeper.resume();
    sleeper.wait_for_log(STANDS_BY, LANES, LIMIT).await.unwrap();

    let journal = writers.stop().await;
    shop.wait_for_all(&journal, &mut other, LIMIT).await;
    other.stop(LIMIT).await.unwrap();
    sleeper.stop(LIMIT).await.unwrap();
    for (sink, mut report) in shop.reports(&journal).await {
        // What the sleeper's client held when it fell asleep leaves when it wakes, among what the other relay sends
        // by then: repeats of what arrived long before, so a repetition with a hole.
        report.broken_replays.clear();
        assert!(report.violations().is_empty(), "{sink}: {report}");
        // The client holds at most a window, which the other relay has sent as well.
        assert!(report.duplicates <= 2 * UNSETTLED, "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_hands_the_lanes_over_at_once_and_repeats_nothing() {
    let mut shop = Shop::open("takeover-clean", WINDOW).await;
    // A busy machine must not make it the end of a lease that hands them over.
    shop.settings.push_str("\n[relay]\nlease = \"60 s\"\n");
    let (mut first, mut second) = owner_and_standby(&shop).await;
    let writers = Writers::start(&shop.url, &load());
    shop.wait_for_requests(500, &mut first, LIMIT).await;
    first.stop(LIMIT).await.unwrap();
    // Half a second between two looks, and the rest for a busy machine: well below a lease.
    second.wait_for_log(OWNS, LANES, Duration::from_secs(10)).await.unwrap();
    let more = shop.receiver.count() as u64 + 500;
    shop.wait_for_requests(more, &mut second, LIMIT).await;

    let journal = writers.stop().await;
    shop.wait_for_all(&journal, &mut second, LIMIT).await;
    second.stop(LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!(report.duplicates, 0, "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_told_not_to_stand_by_ends_with_code_five() {
    let shop = Shop::open("takeover-none", WINDOW).await;
    let owner = Relay::start(&shop.settings).await.unwrap();
    owner.wait_for_log(OWNS, LANES, LIMIT).await.unwrap();
    let mut other = Relay::start_with(&shop.settings, &["--no-standby"]).await.unwrap();
    let status = other.wait_for_end(LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(5), "{}", other.log());
    assert!(other.log().contains("T501"), "{}", other.log());
}
