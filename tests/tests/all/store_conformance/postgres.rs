//! What only Postgres can show.

use std::sync::Arc;
use std::time::{Duration, Instant};

use relay::store::postgres::PostgresStore;
use relay::store::{DeadAction, HeldState, LaneId, LaneRecord, Store, StoreError};
use relay_engine::event::KeyId;
use relay_tests::stack::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::place::{Place, database};
use super::sample::{Owner, done, held, holding, lane, position, retrying, take};

/// A database that was started again takes connections by then, on a busy machine too.
const BACK: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

async fn run(url: &str, sql: String) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql));
    PgConnection::connect(url).await.unwrap().execute(sql).await.unwrap();
}

#[tokio::test]
async fn a_settlement_that_fails_half_way_changes_nothing() {
    let place = Place::postgres().await;
    let mut owner = Owner::of(&place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead)]).await;
    let before = owner.store.lanes().await.unwrap();
    place.by_hand("ALTER TABLE relay.held ADD CONSTRAINT refuse CHECK (sequence <> 3)").await;
    let mut settlement = holding(vec![held(2, "a", HeldState::Dead), held(3, "a", HeldState::Dead)]);
    settlement.position = Some(position(5));
    settlement.retried = vec![done(1, "a")];
    let lease = owner.lease.clone();
    let refused = owner.store.settle(&owner.lane, &mut owner.lease, &settlement).await.unwrap_err();
    assert!(refused.to_string().starts_with("T509"), "{refused}");
    assert_eq!(owner.lease, lease);
    assert_eq!(owner.store.lanes().await.unwrap(), before);
    assert_eq!(owner.dead().await, [1]);
}

#[tokio::test]
async fn two_relays_that_start_at_once_make_one_schema() {
    let url = database().await;
    let (one, two) = (
        PostgresStore::connect(&url, "State of \"relay\"").await.unwrap(),
        PostgresStore::connect(&url, "State of \"relay\"").await.unwrap(),
    );
    let (first, second) = tokio::join!(one.prepare(), two.prepare());
    first.unwrap();
    second.unwrap();
    one.prepare().await.unwrap();
    assert_eq!(take(&one, &lane("kafka"), "relay-1").await.unwrap().lease.term, 1);
    assert_eq!(take(&two, &lane("kafka"), "relay-2").await.unwrap().lease.term, 2);
}

#[tokio::test]
async fn tables_of_a_newer_relay_are_refused() {
    let place = Place::postgres().await;
    place.by_hand("UPDATE relay.schema_version SET version = 99").await;
    let refused = place.open().await.prepare().await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { code: "T502", .. }), "{refused}");
}

#[tokio::test]
async fn a_role_with_the_least_grants_keeps_progress_in_tables_that_their_owner_made() {
    let url = database().await;
    let name = url.rsplit('/').next().unwrap();
    let role = format!("role of {name}");
    run(&url, format!("CREATE ROLE \"{role}\" LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")).await;
    let as_role = url.replace("postgres@", &format!("{}@", role.replace(' ', "%20")));
    let store = PostgresStore::connect(&as_role, "relay").await.unwrap();
    let refused = store.prepare().await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { code: "T503", .. }), "{refused}");

    for _ in 0..2 {
        run(&url, PostgresStore::owner_script("relay")).await;
        run(&url, PostgresStore::grant_script("relay", &role)).await;
    }
    store.prepare().await.unwrap();
    let lease = take(&store, &lane("kafka"), "relay-1").await.unwrap().lease;
    let mut owner = Owner { store: Arc::new(store), lane: lane("kafka"), lease };
    owner.hold(vec![held(1, "a", HeldState::Dead)]).await;
    assert_eq!(owner.store.request(&super::sample::only(1), &DeadAction::Retry).await.unwrap().letters, 1);
    assert_eq!(owner.apply().await, 1);
    owner.settle(retrying(vec![done(1, "a")])).await;
    assert_eq!(owner.dead().await, [] as [u64; 0]);
}

#[tokio::test]
async fn a_database_that_refuses_us_says_so() {
    let url = database().await;
    let refused = PostgresStore::connect(&format!("{url}_absent"), "relay").await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { code: "T504", .. }), "{refused}");
    let store = PostgresStore::connect(&url, "relay").await.unwrap();
    let missing = take(&store, &lane("kafka"), "relay-1").await.unwrap_err();
    assert!(matches!(missing, StoreError::Refused { code: "T503", .. }), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_store_outlives_the_runtimes_that_call_it() {
    let place = Place::postgres().await;
    let store = place.open().await;
    // The pool's first connection is used up here, so that the lanes have to open theirs.
    for _ in 0..3 {
        let leaders: Vec<_> = (0..4)
            .map(|number| {
                let store = Arc::clone(&store);
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let lane = lane(&format!("sink {number}"));
                    runtime.block_on(take(store.as_ref(), &lane, "relay-1")).map(|record| record.lease.term)
                })
            })
            .collect();
        for leader in leaders {
            tokio::task::spawn_blocking(|| leader.join()).await.unwrap().unwrap().unwrap();
        }
    }
    let lanes = store.lanes().await.unwrap();
    assert_eq!(lanes.iter().map(|lane| lane.term).collect::<Vec<_>>(), [3, 3, 3, 3]);
}

#[tokio::test]
async fn what_was_settled_survives_a_killed_database_and_the_store_comes_back() {
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database("store").await.unwrap();
    run(&url, "ALTER ROLE postgres SET synchronous_commit = off".to_owned()).await;
    let store = PostgresStore::connect(&url, "relay").await.unwrap();
    store.prepare().await.unwrap();
    let mut lease = take(&store, &lane("kafka"), "relay-1").await.unwrap().lease;
    let mut settlement = holding(vec![held(1, "a", HeldState::Dead)]);
    settlement.position = Some(position(1));
    store.settle(&lane("kafka"), &mut lease, &settlement).await.unwrap();
    postgres.kill();

    let away = store.settle(&lane("kafka"), &mut lease, &settlement).await.unwrap_err();
    assert!(matches!(away, StoreError::Unavailable { .. }), "{away}");
    postgres.restart().await.unwrap();
    let record = take_when_back(&store, &lane("kafka")).await;
    assert_eq!((record.position, record.dead), (Some(position(1)), 1));
}

/// A lane is asked for again while its store is away: a pool may hold a connection of before that nobody missed yet.
async fn take_when_back(store: &PostgresStore, lane: &LaneId) -> LaneRecord {
    let deadline = Instant::now() + BACK;
    loop {
        match take(store, lane, "relay-1").await {
            Err(StoreError::Unavailable { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(LOOK).await
            }
            answer => return answer.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_lock_that_is_held_too_long_is_named() {
    let place = Place::postgres().await;
    let mut owner = Owner::of(&place, "kafka").await;
    let Place::Postgres(url) = &place else { panic!("made as Postgres") };
    let mut other = PgConnection::connect(url).await.unwrap();
    let mut blocking = other.begin().await.unwrap();
    blocking.execute("SELECT FROM relay.lane FOR UPDATE").await.unwrap();
    let slow = owner.store.settle(&owner.lane, &mut owner.lease, &holding(vec![])).await.unwrap_err();
    assert!(matches!(slow, StoreError::Unavailable { code: "T506", .. }), "{slow}");
    blocking.rollback().await.unwrap();
    owner.settle(holding(vec![])).await;
}

/// 60,000 events of the key of event 1, blocked behind it, and 60,000 parked ones of as many keys.
const MANY_HELD: &str = "\
    INSERT INTO relay.held \
    SELECT pipeline, sink, shard, 'copy' || n, n, key_id, aggregate_type, aggregate_id, event_type, content_type, payload, \
           headers, attributes, occurred_at, 'blocked', 0, NULL, NULL, NULL, NULL, delivered_slots, generation, held_at \
    FROM relay.held, generate_series(100, 60099) AS n WHERE sequence = 1; \
    INSERT INTO relay.held \
    SELECT pipeline, sink, shard, 'copy' || n, n, decode(md5(n::text), 'hex'), aggregate_type, aggregate_id, event_type, \
           content_type, payload, headers, attributes, occurred_at, 'parked', 1, now(), NULL, NULL, NULL, \
           delivered_slots, generation, held_at \
    FROM relay.held, generate_series(100100, 160099) AS n WHERE sequence = 1";

#[tokio::test]
async fn cost_is_flat_in_held_events_even_with_old_statistics() {
    let place = Place::postgres().await;
    let mut owner = Owner::of(&place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead)]).await;
    // What the planner knows is a table of one row.
    place.by_hand("ALTER TABLE relay.held SET (autovacuum_enabled = off); ANALYZE relay.held").await;
    place.by_hand(MANY_HELD).await;
    let Place::Postgres(url) = &place else { panic!("made as Postgres") };
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute("SET search_path TO relay").await.unwrap();
    assert_flat(&mut connection).await;
    connection.execute("ANALYZE held").await.unwrap();
    assert_flat(&mut connection).await;
}

async fn assert_flat(connection: &mut PgConnection) {
    let ids = "ARRAY['copy100100', 'copy100101']";
    let key = format!("ARRAY[decode('{:032x}', 'hex')]", KeyId::of("a").0);
    let promote = include_str!("../../../../relay/src/store/postgres/sql/promote.sql");
    let due = include_str!("../../../../relay/src/store/postgres/sql/due.sql");
    let next_due = include_str!("../../../../relay/src/store/postgres/sql/next_due.sql");
    let release = include_str!("../../../../relay/src/store/postgres/sql/release.sql");
    let hold_again = include_str!("../../../../relay/src/store/postgres/sql/hold_again.sql")
        .replace("$10::text[], $11::text[]", "ARRAY[NULL, NULL], ARRAY['', '']")
        .replace("$6::bigint[], $7::bigint[]", "ARRAY[5, 5], ARRAY[2, 2]")
        .replace("$8::text[], $9::text[]", "ARRAY['S201', 'S201'], ARRAY['', '']")
        .replace("$4::text[], $5::text[]", &format!("{ids}, ARRAY['parked', 'parked']"))
        .replace("$3", "''");
    for (statement, limit) in [
        (promote.replace("$3::bytea[]", &key).replace("$4", "false"), 40),
        (promote.replace("$3::bytea[]", &key).replace("$4", "true"), 60),
        (due.replace("$3", "100").replace("$4", "0").replace("$5", "8388608"), 300),
        (next_due.replace("$3", "0"), 20),
        (release.replace("$3::text[]", ids), 40),
        (hold_again, 80),
    ] {
        let statement = statement.replace("$1", "'orders'").replace("$2", "'kafka'");
        let plan = AssertSqlSafe(format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)\n{statement}"));
        let mut transaction = connection.begin().await.unwrap();
        let row = transaction.fetch_one(plan).await.unwrap();
        transaction.rollback().await.unwrap();
        let plan: String = row.try_get_unchecked(0).unwrap();
        assert!(buffers(&plan) < limit, "{} pages of at most {limit}: {plan}", buffers(&plan));
    }
}

/// Shared buffers that the statement touched: pages, whether read from disk or found in memory.
fn buffers(plan: &str) -> i64 {
    let plan: serde_json::Value = serde_json::from_str(plan).unwrap();
    let of = |name: &str| plan[0]["Plan"][name].as_i64().unwrap();
    of("Shared Hit Blocks") + of("Shared Read Blocks")
}

#[tokio::test]
async fn a_large_request_takes_several_calls_and_no_letter_twice() {
    let place = Place::postgres().await;
    super::requests::a_large_request_takes_several_calls_and_no_letter_twice(&place, 10_000).await;
}
