//! What only SQLite can show.

use relay::store::sqlite::SqliteStore;
use relay::store::{HeldState, Settlement, Store, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Executor, Row};

use super::place::Place;
use super::sample::{NOW, Owner, done, held, holding, lane, position, take};

#[tokio::test]
async fn a_settlement_that_fails_half_way_changes_nothing() {
    let place = Place::sqlite().await;
    let mut owner = Owner::of(&place, "kafka").await;
    owner.hold(vec![held(1, "a", HeldState::Dead)]).await;
    let before = owner.store.lanes().await.unwrap();
    place
        .by_hand(
            "CREATE TRIGGER refuse BEFORE INSERT ON relay_held WHEN new.sequence = 3 \
             BEGIN SELECT raise(ABORT, 'refused'); END",
        )
        .await;
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
async fn two_relays_that_start_at_once_make_one_set_of_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    std::fs::File::create(&path).unwrap();
    let one = SqliteStore::open(&path).await.unwrap();
    let two = SqliteStore::open(&path).await.unwrap();
    let (first, second) = tokio::join!(one.prepare(), two.prepare());
    first.unwrap();
    second.unwrap();
    one.prepare().await.unwrap();
    assert_eq!(take(&one, &lane("kafka"), "relay-1").await.unwrap().lease.term, 1);
    assert_eq!(take(&two, &lane("kafka"), "relay-2").await.unwrap().lease.term, 2);
}

#[tokio::test]
async fn tables_of_a_newer_relay_are_refused() {
    let place = Place::sqlite().await;
    place.by_hand("UPDATE relay_schema_version SET version = 99").await;
    let refused = place.open().await.prepare().await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { code: "T502", .. }), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "these are notes, not a database; they are long enough to have a header").unwrap();
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { code: "T504", .. }), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("T504: there is no file {}", path.display())), "{refused}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_without_the_tables_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    std::fs::File::create(&path).unwrap();
    let store = SqliteStore::open(path).await.unwrap();
    let missing = take(&store, &lane("kafka"), "relay-1").await.unwrap_err();
    assert!(matches!(missing, StoreError::Refused { code: "T503", .. }), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_and_several_lanes_write_the_same_file_at_the_same_time() {
    const ROWS: i64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let mut application = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
        .unwrap();
    application.execute("CREATE TABLE outbox (id INTEGER PRIMARY KEY, body TEXT)").await.unwrap();
    let place = Place::Sqlite(folder);
    place.open().await.prepare().await.unwrap();
    let (kafka, nats) = (Owner::of(&place, "kafka").await, Owner::of(&place, "nats").await);

    let settling = |mut owner: Owner| async move {
        for after in 1..=100 {
            owner.store.apply_requests(&owner.lane, &mut owner.lease).await.unwrap();
            let settlement = Settlement {
                position: Some(position(after)),
                held: vec![held(after, &format!("key {after}"), NOW)],
                ..Settlement::default()
            };
            owner.settle(settlement).await;
        }
        assert_eq!(owner.due().await.len(), 100);
    };
    let writing = async {
        for _ in 0..ROWS {
            application.execute("INSERT INTO outbox (body) VALUES ('order')").await.unwrap();
        }
    };
    tokio::join!(settling(kafka), settling(nats), writing);
    let count = application.fetch_one("SELECT count(*) FROM outbox").await.unwrap();
    assert_eq!(count.get::<i64, _>(0), ROWS);
}

#[tokio::test]
async fn a_large_request_takes_several_calls_and_no_letter_twice() {
    let place = Place::sqlite().await;
    super::requests::a_large_request_takes_several_calls_and_no_letter_twice(&place, 1_000).await;
}
