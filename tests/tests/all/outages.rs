//! Sinks that are away for a while under load: nothing is lost, nothing is spent, and nobody else notices.
//!
//! Two seconds each, or `RELAY_TEST_OUTAGE` seconds; a minute in long campaigns, where rates and latencies are held to
//! strict bounds. Elsewhere other tests run on the same machine, so the bounds are wide.

use std::collections::HashMap;
use std::time::Duration;

use relay_tests::journal::{Journal, WriterPlan, Writers, WrittenEvent};
use relay_tests::program::{Relay, Window};
use relay_tests::stack::Record;
use sqlx::{Connection as _, PgConnection};

use crate::keyed_shop::dead;
use crate::relay_tables::RelayTables;
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(180);
const LANES: usize = 3;
/// Requests of the HTTP sink under way at once, with the standard settings: what may come twice when it goes away.
const IN_FLIGHT: usize = 64;

fn is_long() -> bool {
    std::env::var_os("RELAY_TEST_LONG").is_some()
}

/// How long a sink is away.
fn outage() -> Duration {
    let asked = std::env::var("RELAY_TEST_OUTAGE").ok().map(|it| it.parse().unwrap());
    Duration::from_secs(asked.unwrap_or(if is_long() { 60 } else { 2 }))
}

/// Writers that write until they are stopped.
fn load(shop: &Shop, first_writer: u32, pause: Duration) -> Writers {
    Writers::start(&shop.url, &WriterPlan { events: u64::MAX, first_writer, pause, ..WriterPlan::default() })
}

async fn started(shop: &Shop) -> (Relay, RelayTables) {
    let relay = Relay::start(&shop.settings).await.unwrap();
    relay.wait_for_log("\"reading\"", LANES, LIMIT).await.unwrap();
    let mut tables = RelayTables::of(&shop.url).await;
    tables.note_held().await;
    (relay, tables)
}

/// Lets everything arrive and ends the relay; each key came in order, and nothing was ever put aside.
async fn finish(shop: &Shop, mut relay: Relay, mut tables: RelayTables, journal: &Journal, stops: usize) {
    shop.wait_for_all(journal, &mut relay, LIMIT).await;
    assert!(dead(&relay).await.is_empty());
    assert_eq!(tables.were_held().await, [] as [String; 0], "an outage is no event's fault");
    assert_eq!(relay.stop(LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    for (sink, report) in shop.reports(journal).await {
        println!("{sink}: {report}");
        assert!(report.violations().is_empty(), "{sink}: {report}");
        let unanswered = if sink == "http" { stops * IN_FLIGHT } else { 0 };
        assert!(report.duplicates <= unanswered, "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sink_goes_away_under_load_and_gets_everything_in_order_once_it_is_back() {
    let mut shop = Shop::open_with_own_sinks("outages", Window::Standard).await;
    let (relay, tables) = started(&shop).await;
    let writers = load(&shop, 0, Duration::from_millis(5));
    for (sink, noticed) in [
        // The client keeps what waits for its brokers, and goes on by itself.
        ("kafka", "no attempt is spent\",\"lane\":\"orders → events"),
        ("nats", "no attempt is spent\",\"lane\":\"orders → tell"),
        ("http", "no attempt is spent\",\"lane\":\"orders → billing"),
    ] {
        match sink {
            "kafka" => shop.kafka.own().kill(),
            "nats" => shop.nats.own().kill(),
            _ => shop.receiver.stop(),
        }
        relay.wait_for_log(noticed, 1, LIMIT).await.unwrap();
        tokio::time::sleep(outage()).await;
        match sink {
            "kafka" => shop.kafka.own().restart().await.unwrap(),
            "nats" => shop.nats.own().restart().await.unwrap(),
            _ => shop.receiver.restart().unwrap(),
        }
    }
    let journal = writers.stop().await;
    finish(&shop, relay, tables, &journal, 1).await;
}

/// How one lane did over a while.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Events a second.
    rate: f64,
    /// Milliseconds from the transaction's begin to the arrival.
    median: f64,
    /// The same for the slowest of a hundred.
    slowest: f64,
}

/// What may change for a sink while another is away.
struct Bounds {
    /// Of the rate, at least.
    rate: f64,
    /// Of each latency, at most, and so many milliseconds on top.
    latency: (f64, f64),
}

const STRICT: Bounds = Bounds { rate: 0.8, latency: (1.25, 5.0) };
const WIDE: Bounds = Bounds { rate: 0.1, latency: (8.0, 3_000.0) };
/// What the lanes' own rows may take more until they are vacuumed, whatever arrives.
const OWN_ROWS: i64 = 256 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_away_changes_neither_the_rate_of_another_nor_its_latency_nor_the_database() {
    let mut shop = Shop::open("one-away", Window::Standard).await;
    let (mut relay, mut tables) = started(&shop).await;
    let writers = load(&shop, 0, Duration::ZERO);
    tokio::time::sleep(outage()).await;
    let mut journal = writers.stop().await;
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    tables.wait_until_settled(LANES, &mut relay, LIMIT).await;

    let size = tables.size().await;
    shop.receiver.stop();
    let writers = load(&shop, 10, Duration::ZERO);
    tokio::time::sleep(outage()).await;
    let meanwhile = writers.stop().await;
    assert!(meanwhile.committed() > 100, "{} events are no load", meanwhile.committed());
    journal.events.extend(meanwhile.events);
    shop.wait_for_others(&journal, &mut relay, LIMIT).await;
    let grown = tables.size().await - size;
    shop.receiver.restart().unwrap();

    let records = shop.kafka.read_all(shop.name).await.unwrap();
    let began = begins(&shop.url).await;
    let (before, away) = (figures(&records, &began, 0..10), figures(&records, &began, 10..20));
    println!("both there {before:?}; one away {away:?}; the relay's tables grew by {grown} bytes");
    let Bounds { rate, latency: (factor, extra) } = if is_long() { STRICT } else { WIDE };
    assert!(away.rate >= before.rate * rate, "{before:?} {away:?}");
    assert!(away.median <= before.median * factor + extra, "{before:?} {away:?}");
    assert!(away.slowest <= before.slowest * factor + extra, "{before:?} {away:?}");
    assert!(grown <= OWN_ROWS, "the relay's tables grew by {grown} bytes");
    finish(&shop, relay, tables, &journal, 1).await;
}

/// When the transaction of each event began, in milliseconds since 1970.
async fn begins(url: &str) -> HashMap<String, f64> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = "SELECT id::text, (extract(epoch FROM created_at) * 1000)::float8 FROM outbox";
    let rows: Vec<(String, f64)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
    rows.into_iter().collect()
}

/// Of the events of some writers.
fn figures(records: &[Record], began: &HashMap<String, f64>, writers: std::ops::Range<u32>) -> Figures {
    let arrivals: Vec<(f64, f64)> = records
        .iter()
        .filter_map(|record| {
            let event = WrittenEvent::from_body(record.value.as_deref()?)?;
            let arrived = record.timestamp? as f64;
            writers.contains(&event.writer).then(|| (began[&event.id], arrived))
        })
        .collect();
    let first = arrivals.iter().map(|(began, _)| *began).fold(f64::MAX, f64::min);
    let last = arrivals.iter().map(|(_, arrived)| *arrived).fold(0.0, f64::max);
    let mut latencies: Vec<f64> = arrivals.iter().map(|(began, arrived)| arrived - began).collect();
    latencies.sort_by(f64::total_cmp);
    Figures {
        rate: arrivals.len() as f64 * 1_000.0 / (last - first),
        median: latencies[latencies.len() / 2],
        slowest: latencies[latencies.len() * 99 / 100],
    }
}
