//! A side table full of parked events: the lane beside it goes on, in bounded memory, and they leave when they are due.
//!
//! The standard form holds 20,000 events, `RELAY_TEST_LONG` a million.

use std::time::{Duration, Instant};

use relay_tests::journal::{create_outbox, load_outbox};
use relay_tests::program::{Destinations, PIPELINE, Relay, Window, component, settings};
use relay_tests::stack::{Kafka, shared_kafka, shared_postgres};
use sqlx::{Connection, Executor, PgConnection};

const LIMIT: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(20);
const TOPIC: &str = "many-held";
/// Drained once with nothing held, and once beside what is held.
const EVENTS: u64 = 20_000;
const HELD: u64 = 20_000;
const HELD_LONG: u64 = 1_000_000;
/// What the project promises for a million, in KiB.
const MEMORY: u64 = 200 << 10;

/// Events as a settlement would leave them, each of a key of its own and due in an hour.
async fn hold(database: &mut PgConnection, events: u64) {
    let sql = format!(
        "INSERT INTO relay.held (pipeline, sink, shard, event_id, sequence, key_id, aggregate_type, aggregate_id,
             event_type, payload, headers, attributes, occurred_at, state, attempts, next_at, code, detail,
             delivered_slots, generation, held_at)
         SELECT '{PIPELINE}', 'events', 0, 'held-' || it, 1000000000 + it, decode(md5(it::text), 'hex'), 'order',
                'held-' || it, 'OrderPlaced', convert_to('{{\"held\": ' || it || '}}', 'UTF8'),
                '{{\"v\":1,\"items\":[]}}', '{{\"v\":1,\"items\":[]}}', 0, 'parked', 1, now() + interval '1 hour',
                'S214', 'refused', '{{\"v\":1,\"items\":[]}}', '{{\"v\":1,\"items\":[]}}', now()
         FROM generate_series(1, {events}) AS it"
    );
    database.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    database.execute("ANALYZE relay.held").await.unwrap();
}

async fn wait_for(kafka: &Kafka, count: u64, relay: &mut Relay) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let arrived = u64::try_from(kafka.count(TOPIC).await.unwrap()).unwrap();
        if arrived >= count {
            assert_eq!(arrived, count, "nothing is repeated");
            return;
        }
        assert!(
            relay.ended().is_none() && Instant::now() < deadline,
            "{arrived} of {count}: {}",
            relay.log()
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// How long a new relay takes for `EVENTS` new events, from the moment when it reads.
async fn drain(url: &str, settings: &str, kafka: &Kafka, before: u64) -> (Relay, Duration) {
    load_outbox(url, EVENTS).await.unwrap();
    let mut relay = Relay::start(settings).await.unwrap();
    relay.wait_for_log("\"reading\"", 1, LIMIT).await.unwrap();
    let reading = Instant::now();
    wait_for(kafka, before + EVENTS, &mut relay).await;
    (relay, reading.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_on_beside_many_parked_events_and_delivers_them_when_they_are_due() {
    let held = if std::env::var_os("RELAY_TEST_LONG").is_some() { HELD_LONG } else { HELD };
    let url = shared_postgres().await.unwrap().create_database(TOPIC).await.unwrap();
    create_outbox(&url).await.unwrap();
    let kafka = shared_kafka().await.unwrap();
    kafka.create_topic(TOPIC, 4).await.unwrap();
    let to = Destinations { kafka: Some((&kafka.brokers(), TOPIC)), ..Destinations::default() };
    let settings = settings(&url, &component("router").await.unwrap(), to, Window::Standard);
    let settings = settings.replace("sinks = [", "held = { parked = 2000000 }\nsinks = [");

    let (mut relay, alone) = drain(&url, &settings, kafka, 0).await;
    relay.stop(LIMIT).await.unwrap();
    let mut database = PgConnection::connect(&url).await.unwrap();
    hold(&mut database, held).await;
    let (mut relay, beside) = drain(&url, &settings, kafka, EVENTS).await;
    let memory_beside = relay.usage().peak_memory;

    let due = Instant::now();
    database.execute("UPDATE relay.held SET next_at = now()").await.unwrap();
    // The lane knows when the next of them was due; a new owner asks anew.
    relay.stop(LIMIT).await.unwrap();
    relay.restart().unwrap();
    wait_for(kafka, 2 * EVENTS + held, &mut relay).await;
    let delivered = due.elapsed();
    let memory = relay.usage().peak_memory.max(memory_beside);
    relay.stop(LIMIT).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM relay.held").fetch_one(&mut database).await.unwrap();
    assert_eq!(left, 0, "what was delivered left the side table");
    println!(
        "{held} parked: {EVENTS} other events in {beside:.2?}, without them in {alone:.2?}; all due and delivered in \
         {delivered:.2?}; at most {} MiB",
        memory >> 10
    );
    assert!(memory < MEMORY, "{} MiB", memory >> 10);
    // Both on the same machine one after the other; other tests run beside them.
    assert!(
        beside < alone * 4 + Duration::from_secs(20),
        "{beside:?} beside {held} held events, alone {alone:?}"
    );
}
