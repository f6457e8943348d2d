//! The database crashes or is failed over under load: nothing is sent that it does not know, and what it forgets is told.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use relay_tests::journal::{Journal, Observed, Outcome, WriterPlan, Writers, check, create_outbox};
use relay_tests::program::{Relay, Window};
use relay_tests::stack::{Postgres, TcpProxy};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::kill_points::SETTLEMENT;
use crate::kill_stage::event_id;
use crate::relay_tables::{RelayTables, WRITING};
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);
const LANES: usize = 3;
const PAUSE: Duration = Duration::from_millis(5);

/// Writers that write until they are stopped.
fn load(url: &str) -> Writers {
    Writers::start(url, &WriterPlan { events: u64::MAX, pause: PAUSE, ..WriterPlan::default() })
}

/// The ids of all events in the outbox.
async fn ids(url: &str) -> BTreeSet<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id::text FROM outbox").fetch_all(&mut connection).await.unwrap();
    ids.into_iter().collect()
}

/// What the writers' events became in the end: committed is what the outbox holds now.
fn as_it_is(journal: Journal, there: &BTreeSet<String>) -> Journal {
    let events = journal.events.into_iter().map(|(event, outcome)| {
        let now = match outcome {
            Outcome::RolledBack => Outcome::RolledBack,
            _ if there.contains(&event.id) => Outcome::Committed,
            Outcome::Committed | Outcome::Unknown => Outcome::RolledBack,
        };
        (event, now)
    });
    Journal { events: events.collect(), ..Journal::default() }
}

/// Waits until what each sink has is enough.
async fn wait_until(shop: &Shop, relay: &mut Relay, enough: impl Fn(&HashSet<String>) -> bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let arrived = shop.observed().await.map(|(_, it)| it.iter().map(event_id).collect::<HashSet<_>>());
        if arrived.iter().all(&enough) {
            return;
        }
        let running = relay.ended().is_none() && Instant::now() < deadline;
        let arrived = arrived.map(|it| it.len());
        assert!(running, "{arrived:?} have arrived; the relay's log:\n{}", relay.log());
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until each sink has every event of the outbox.
async fn wait_for_all_of(shop: &Shop, there: &BTreeSet<String>, relay: &mut Relay) {
    wait_until(shop, relay, |arrived| there.iter().all(|id| arrived.contains(id))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_postgres_takes_nothing_back_that_was_sent_though_commits_were_not_flushed() {
    // The log writer sleeps so long that only the relay can have flushed.
    let mut postgres = Postgres::start_with(&["wal_writer_delay=10s"]).await.unwrap();
    let url = postgres.create_database("crash").await.unwrap();
    create_outbox(&url).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let unsafely = sqlx::AssertSqlSafe(format!("ALTER DATABASE \"{name}\" SET synchronous_commit = off"));
    postgres.connect("postgres").await.unwrap().execute(unsafely).await.unwrap();
    let shop = Shop::open_at("crash", url.clone(), Window::Standard).await;
    let mut relay = Relay::start(&shop.settings).await.unwrap();

    let writers = load(&url);
    shop.wait_for_requests(300, &mut relay, LIMIT).await;
    // One crash at work, while no settlement flushes the log for the writers: what arrives now is as durable as the
    // relay has made it.
    let mut tables = RelayTables::of(&url).await;
    let gate =
        tables.hold_back("BEFORE UPDATE ON relay.lane FOR EACH ROW WHEN (OLD.version <> NEW.version)").await;
    tables.wait_for_waiting(WRITING, SETTLEMENT, LANES, &relay, LIMIT).await;
    let more = shop.receiver.count() as u64 + 50;
    shop.wait_for_requests(more, &mut relay, LIMIT).await;
    postgres.kill();
    drop(gate);
    postgres.restart().await.unwrap();
    let more = shop.receiver.count() as u64 + 300;
    shop.wait_for_requests(more, &mut relay, LIMIT).await;
    // And one where the relay has not come to what was committed last.
    relay.pause();
    let more = writers.committed() + 20;
    while writers.committed() < more {
        tokio::time::sleep(LOOK).await;
    }
    postgres.kill();
    postgres.restart().await.unwrap();
    relay.resume();
    let more = shop.receiver.count() as u64 + 300;
    shop.wait_for_requests(more, &mut relay, LIMIT).await;

    let journal = writers.stop().await;
    let there = ids(&url).await;
    let lost = journal.committed_of(|event| !there.contains(&event.id));
    assert!(lost > 0, "no crash took anything back");
    wait_for_all_of(&shop, &there, &mut relay).await;
    relay.stop(LIMIT).await.unwrap();
    let journal = as_it_is(journal, &there);
    for (sink, report) in shop.reports(&journal).await {
        println!("{lost} commits taken back; {sink}: {report}");
        assert!(report.violations().is_empty(), "{sink}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_that_lost_commits_the_rest_arrives_and_what_was_sent_and_lost_is_listed() {
    let mut primary = Postgres::start().await.unwrap();
    let stream = TcpProxy::start(&format!("127.0.0.1:{}", primary.port())).unwrap();
    let mut standby = Postgres::standby_of(&stream.address()).await.unwrap();
    // Where applications and the relay find the primary, whichever it is.
    let address = TcpProxy::start(&format!("127.0.0.1:{}", primary.port())).unwrap();
    let direct = primary.create_database("failover").await.unwrap();
    create_outbox(&direct).await.unwrap();
    let name = direct.rsplit('/').next().unwrap();
    let url = format!("postgres://postgres@{}/{name}", address.address());
    let shop = Shop::open_at("failover", url.clone(), Window::Standard).await;
    let mut relay = Relay::start(&shop.settings).await.unwrap();

    let writers = load(&url);
    shop.wait_for_requests(300, &mut relay, LIMIT).await;
    wait_for_rows(&standby.database_url(name)).await;
    // From here on the standby gets nothing.
    stream.cut();
    let known = ids(&direct).await;
    wait_until(&shop, &mut relay, |arrived| arrived.iter().filter(|id| !known.contains(*id)).count() > 20)
        .await;
    primary.kill();
    // For a while the address leads to a standby, which the relay can neither read nor write.
    address.turn_to(&format!("127.0.0.1:{}", standby.port()));
    relay.wait_for_log("T508", LANES, LIMIT).await.unwrap();
    standby.promote().await.unwrap();
    let more = shop.receiver.count() as u64 + 300;
    shop.wait_for_requests(more, &mut relay, LIMIT).await;

    let journal = writers.stop().await;
    let there = ids(&url).await;
    wait_for_all_of(&shop, &there, &mut relay).await;
    relay.wait_for_log("are not in the outbox any more", LANES, LIMIT).await.unwrap();
    relay.stop(LIMIT).await.unwrap();
    let told = told(&relay);
    let was_committed = |id: &str| {
        journal.events.iter().any(|(event, outcome)| event.id == id && *outcome != Outcome::RolledBack)
    };
    for (sink, lane, observed) in shop.observed().await.map(|(sink, it)| (sink, lane_of(sink), it)) {
        let listed: BTreeSet<&str> =
            told.iter().filter(|(of, _)| of == lane).map(|(_, event)| event.as_str()).collect();
        let arrived: BTreeSet<String> = observed.iter().map(event_id).collect();
        let gone: BTreeSet<&str> = arrived.difference(&there).map(String::as_str).collect();
        assert!(gone.len() > 20, "{sink}: {} events were sent and lost", gone.len());
        assert!(gone.iter().all(|id| was_committed(id)), "{sink}: an event that never was");
        let silent: Vec<_> = gone.difference(&listed).collect();
        assert!(silent.is_empty(), "{sink}: {} of {} not listed: {silent:?}", silent.len(), gone.len());
        assert!(listed.iter().all(|id| !there.contains(*id)), "{sink}: an event was listed that is there");
        println!("{sink}: {} sent and lost, {} listed", gone.len(), listed.len());
        let kept: Vec<Observed> = observed.into_iter().filter(|it| there.contains(&event_id(it))).collect();
        let report = check(&as_it_is(journal.clone(), &there), &kept);
        assert!(report.violations().is_empty(), "{sink}: {report}");
    }
}

/// Waits until the standby has some of the outbox.
async fn wait_for_rows(url: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Ok(mut connection) = PgConnection::connect(url).await
            && let Ok(rows) =
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox").fetch_one(&mut connection).await
            && rows > 100
        {
            return;
        }
        assert!(Instant::now() < deadline, "the standby receives nothing");
        tokio::time::sleep(LOOK).await;
    }
}

/// What the relay said was taken back: lane and event.
fn told(relay: &Relay) -> Vec<(String, String)> {
    let log = std::fs::read_to_string(relay.folder().join("relay.log")).unwrap();
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["message"].as_str()?.starts_with("D319: sent, and taken back").then_some(())?;
        Some((line["lane"].as_str()?.to_owned(), line["event"].as_str()?.to_owned()))
    };
    log.lines().filter_map(line).collect()
}

fn lane_of(sink: &str) -> &'static str {
    match sink {
        "kafka" => "orders → events",
        "nats" => "orders → tell",
        _ => "orders → billing",
    }
}
