//! Committed rows reach each sink exactly once, in order.

use std::time::Duration;

use relay_tests::journal::{SqliteWriter, WriterPlan, Writers};
use relay_tests::program::{Relay, Window};

use crate::shop::Shop;

/// Generous: the machine may run other tests beside this one.
const LIMIT: Duration = Duration::from_secs(180);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_reach_kafka_nats_and_http_exactly_once_while_writers_run() {
    let shop = Shop::open("end-to-end", Window::Standard).await;
    let mut relay = Relay::start(&shop.settings).await.unwrap();
    let plan = WriterPlan { events: 10_000, ..WriterPlan::default() };
    let journal = Writers::start(&shop.url, &plan).finish().await;
    assert!(journal.rolled_back() > 500, "the test wants rolled-back transactions");

    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    let status = relay.stop(DRAIN_LIMIT).await.unwrap();
    assert_eq!(status.code(), Some(0), "a drained relay ends well:\n{}", relay.log());
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!((report.arrived, report.duplicates), (journal.committed(), 0), "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_stopped_goes_on_where_it_settled() {
    let shop = Shop::open("go-on", Window::Standard).await;
    let plan = WriterPlan { events: 1_000, ..WriterPlan::default() };
    let mut journal = Writers::start(&shop.url, &plan).finish().await;
    let mut relay = Relay::start(&shop.settings).await.unwrap();
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    relay.stop(DRAIN_LIMIT).await.unwrap();

    // Other writers: the numbers of the first ones' events, and so their ids, are taken.
    let more = WriterPlan { events: 1_000, first_writer: 100, ..WriterPlan::default() };
    journal.events.extend(Writers::start(&shop.url, &more).finish().await.events);
    relay.restart().unwrap();
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    relay.stop(DRAIN_LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!(report.duplicates, 0, "what was settled in order is not sent again; {sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqlite_outbox_reaches_kafka_nats_and_http() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let mut writer = SqliteWriter::create(&file).await.unwrap();
    let shop = Shop::open_at("from-sqlite", file.display().to_string(), Window::Standard).await;
    let mut relay = Relay::start(&shop.settings).await.unwrap();
    writer.write(2_000, 50).await.unwrap();
    let journal = writer.finish().await.unwrap();

    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    relay.stop(DRAIN_LIMIT).await.unwrap();
    for (sink, report) in shop.reports(&journal).await {
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!(report.duplicates, 0, "{sink}: {report}");
    }
}
