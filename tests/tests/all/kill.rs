//! The relay is killed and nothing is lost.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use relay_tests::journal::{Journal, Random, Report, WriterPlan, Writers};
use relay_tests::program::{Relay, Window};
use relay_tests::stack::tools;

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
    let began = Instant::now();
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

    let reports = shop.reports(&journal).await;
    let text = campaign(kills, began.elapsed(), &journal, &reports);
    let file = tools::target_folder().join(format!("{name}-report.md"));
    std::fs::write(&file, &text).unwrap();
    println!("{text}\nkept in {}", file.display());
    for (sink, report) in reports {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert!(report.duplicates <= kills * UNSETTLED, "only the window is sent again; {sink}: {report}");
        assert!(report.replays <= kills, "once for each kill; {sink}: {report}");
        if sink == "nats" {
            assert_eq!(report.duplicates, 0, "NATS knows a repeat by its idempotency key");
        }
    }
}

/// What a campaign came to, for who was not there.
fn campaign(kills: usize, took: Duration, journal: &Journal, reports: &[(&str, Report)]) -> String {
    let (committed, rolled_back) = (journal.committed(), journal.rolled_back());
    let mut text = format!(
        "# {kills} kills of the relay\n\n\
         Writers committed {committed} events and rolled {rolled_back} back, in {} s. Meanwhile the relay was killed\n\
         {kills} times (SIGKILL) and started again, each time after some more events had arrived. Then each sink was\n\
         read to its end and compared with what the writers had noted.\n\n\
         | sink | arrived | lost | not committed | out of order | altered | sent again | again for each kill |\n\
         |---|---|---|---|---|---|---|---|\n",
        took.as_secs()
    );
    for (sink, report) in reports {
        let altered = report.corrupted.len() + report.changed_keys.len();
        let _ = writeln!(
            text,
            "| {sink} | {} | {} | {} | {} | {altered} | {} | {:.1} |",
            report.arrived,
            report.lost.len(),
            report.phantom.len(),
            report.out_of_order.len() + report.broken_replays.len(),
            report.duplicates,
            report.duplicates as f64 / kills.max(1) as f64,
        );
    }
    let _ = write!(
        text,
        "\nWhat is sent again had no settlement when the relay was killed: at most {UNSETTLED} events a kill, under the\n\
         same idempotency keys. NATS knows them by these and stores each once. Lost, not committed, out of order and\n\
         altered (another body, key or idempotency key) have to be 0.\n"
    );
    text
}

#[test]
fn the_report_of_a_campaign_says_what_arrived_and_what_did_not() {
    let lost = Report { arrived: 9, duplicates: 5, lost: vec!["one".to_owned()], ..Report::default() };
    let text = campaign(2, Duration::from_secs(3), &Journal::default(), &[("kafka", lost)]);
    assert!(text.contains("| kafka | 9 | 1 | 0 | 0 | 0 | 5 | 2.5 |"), "{text}");
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
