//! The SQLite source against real files.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use std::path::PathBuf;
use std::time::Duration;

use relay::source::sqlite::{SqliteSource, SqliteSourceConfig, ddl};
use relay::source::{BatchLimit, Columns, Source, SourceError, Start};
use relay_engine::event::{OwnedEvent, Position};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

const WIDE: BatchLimit = BatchLimit { events: 1_000, bytes: 1 << 20 };

struct Outbox {
    folder: TempDir,
    writer: SqliteConnection,
}

/// Bytes.
const MAX_PAYLOAD: usize = 64 << 10;

impl Outbox {
    async fn create() -> Self {
        Self::with_script(&ddl("outbox")).await
    }

    async fn with_script(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = connect(&folder.path().join("shop.db")).await;
        let mut outbox = Self { folder, writer };
        outbox.execute(script).await;
        outbox
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    fn source(&self) -> SqliteSource {
        SqliteSource::new(SqliteSourceConfig {
            name: "shop".to_owned(),
            path: self.path(),
            table: "outbox".to_owned(),
            columns: Columns::default(),
            max_payload: MAX_PAYLOAD,
            poll_busy: Duration::from_micros(1_500),
            poll_idle: Duration::from_millis(50),
        })
    }

    async fn open(&self, start: Start) -> SqliteSource {
        let mut source = self.source();
        source.open(start).await.unwrap();
        source
    }

    async fn execute(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.writer).await.unwrap();
    }

    async fn insert(&mut self, payloads: &[&str]) {
        for payload in payloads {
            insert(&mut self.writer, "a", payload).await;
        }
    }

    async fn refusal(&self, start: Start) -> (&'static str, String) {
        match self.source().open(start).await {
            Err(error @ SourceError::Refused { code, .. }) => (code, error.to_string()),
            other => panic!("not refused: {other:?}"),
        }
    }
}

async fn connect(path: &std::path::Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(30))
        .connect()
        .await
        .unwrap()
}

async fn insert(connection: &mut SqliteConnection, key: &str, payload: &str) {
    sqlx::query(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', ?, 'changed', ?)",
    )
    .bind(key)
    .bind(payload)
    .execute(connection)
    .await
    .unwrap();
}

async fn read(source: &mut SqliteSource, count: usize, limit: BatchLimit) -> (Vec<String>, Position) {
    let mut payloads = Vec::new();
    loop {
        let batch =
            tokio::time::timeout(Duration::from_secs(60), source.next_batch(limit)).await.unwrap().unwrap();
        assert!(batch.events.len() <= limit.events);
        let texts =
            batch.events.iter().map(|event| String::from_utf8(event.payload().unwrap().to_vec()).unwrap());
        payloads.extend(texts);
        if payloads.len() >= count {
            return (payloads, batch.end);
        }
    }
}

#[tokio::test]
async fn a_payload_over_the_limit_is_measured_and_not_read() {
    let mut outbox = Outbox::create().await;
    let (fits, over) = ("x".repeat(MAX_PAYLOAD), "ä".repeat(MAX_PAYLOAD / 2 + 1));
    outbox.insert(&[&fits, &over]).await;
    outbox
        .execute(&format!(
            "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
             VALUES ('order', 'a', 'changed', zeroblob({})), ('order', 'a', 'gone', NULL)",
            3 << 20
        ))
        .await;
    let batch = outbox.open(Start::Beginning).await.next_batch(WIDE).await.unwrap();
    let found: Vec<_> =
        batch.events.iter().map(|it| (it.payload().map(<[u8]>::len), it.withheld())).collect();
    let most = MAX_PAYLOAD as u64;
    assert_eq!(
        found,
        [(Some(MAX_PAYLOAD), None), (None, Some(most + 2)), (None, Some(3 << 20)), (None, None)],
        "a tombstone withholds nothing"
    );
}

#[tokio::test]
async fn rows_become_events_with_every_field() {
    let mut outbox = Outbox::create().await;
    outbox
        .execute(
            "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers, created_at) VALUES
               ('e1', 'order', 'order-1', 'placed', x'00ff', '{\"traceparent\":\"00-ab\"}', '2026-11-21T12:00:00.500Z'),
               ('e2', 'order', 'order-1', 'gone', NULL, NULL, 1795262401)",
        )
        .await;
    let batch = outbox.open(Start::Beginning).await.next_batch(WIDE).await.unwrap();
    let events: Vec<OwnedEvent> = batch.events.iter().map(OwnedEvent::from).collect();
    let placed = OwnedEvent {
        id: "e1".to_owned(),
        sequence: 1,
        aggregate_type: "order".to_owned(),
        aggregate_id: "order-1".to_owned(),
        event_type: "placed".to_owned(),
        payload: Some(vec![0, 255]),
        headers: vec![("traceparent".to_owned(), b"00-ab".to_vec())],
        occurred_at: 1_795_262_400_500_000,
        ..OwnedEvent::default()
    };
    let gone = OwnedEvent {
        id: "e2".to_owned(),
        sequence: 2,
        event_type: "gone".to_owned(),
        payload: None,
        headers: Vec::new(),
        occurred_at: 1_795_262_401_000_000,
        ..placed.clone()
    };
    assert_eq!(events, [placed, gone]);
}

#[tokio::test]
async fn reading_goes_on_behind_any_event_of_a_batch() {
    let mut outbox = Outbox::create().await;
    outbox.insert(&["1", "2", "3"]).await;
    let batch = outbox.open(Start::Beginning).await.next_batch(WIDE).await.unwrap();
    for index in 0..2 {
        let mut again = outbox.open(Start::After(batch.position_after(index))).await;
        let expected: Vec<String> = (index + 2..=3).map(|number| number.to_string()).collect();
        assert_eq!(read(&mut again, 2 - index, WIDE).await.0, expected);
    }
    let mut tail = outbox.open(Start::Now).await;
    outbox.insert(&["4"]).await;
    assert_eq!(read(&mut tail, 1, WIDE).await.0, ["4"]);
}

#[tokio::test]
async fn deleted_rows_do_not_disturb_the_cursor() {
    let mut outbox = Outbox::create().await;
    outbox.insert(&["1", "2"]).await;
    let mut source = outbox.open(Start::Beginning).await;
    let (_, position) = read(&mut source, 2, WIDE).await;
    outbox.execute("DELETE FROM outbox").await;
    let mut again = outbox.open(Start::After(position)).await;
    outbox.insert(&["3"]).await;
    assert_eq!(read(&mut again, 1, WIDE).await.0, ["3"]);
    assert_eq!(read(&mut source, 1, WIDE).await.0, ["3"]);
}

#[tokio::test]
async fn concurrent_writers_and_rollbacks_lose_repeat_and_reorder_nothing() {
    let outbox = Outbox::create().await;
    let mut source = outbox.open(Start::Beginning).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..3_u32 {
        let path = outbox.path();
        writers.spawn(async move {
            let mut connection = connect(&path).await;
            for number in 0..100_u32 {
                let end = if number % 5 == 0 { "ROLLBACK" } else { "COMMIT" };
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
                insert(&mut connection, "k", &format!("{writer}:{number}")).await;
                sqlx::raw_sql(AssertSqlSafe(end.to_owned())).execute(&mut connection).await.unwrap();
            }
        });
    }
    let (payloads, _) = read(&mut source, 240, BatchLimit { events: 7, bytes: 1 << 20 }).await;
    writers.join_all().await;
    for writer in 0..3_u32 {
        let of_writer: Vec<&String> =
            payloads.iter().filter(|payload| payload.starts_with(&format!("{writer}:"))).collect();
        let expected: Vec<String> =
            (0..100).filter(|number| number % 5 != 0).map(|number| format!("{writer}:{number}")).collect();
        assert_eq!(of_writer, expected.iter().collect::<Vec<_>>());
    }
    assert_eq!(payloads.len(), 240);
}

#[tokio::test]
async fn large_payloads_close_a_batch_early() {
    let mut outbox = Outbox::create().await;
    let large = "x".repeat(1_000);
    outbox.insert(&[large.as_str(); 10]).await;
    let mut source = outbox.open(Start::Beginning).await;
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 10 {
        sizes.push(source.next_batch(BatchLimit { events: 100, bytes: 2_500 }).await.unwrap().events.len());
    }
    assert_eq!(sizes, [3, 3, 3, 1]);
}

#[tokio::test]
async fn a_table_that_would_lose_rows_is_refused_with_the_remedy() {
    let plain = ddl("outbox").replace(" AUTOINCREMENT,", ",");
    for script in [plain.clone(), plain.replace("INTEGER PRIMARY KEY", "INTEGER UNIQUE")] {
        let (code, message) = Outbox::with_script(&script).await.refusal(Start::Beginning).await;
        assert_eq!(code, "D324");
        assert!(message.contains("INTEGER PRIMARY KEY AUTOINCREMENT"), "{message}");
    }
    let (code, message) = Outbox::with_script("CREATE TABLE t (a)").await.refusal(Start::Now).await;
    assert_eq!(code, "D322");
    assert!(message.contains("CREATE TABLE IF NOT EXISTS \"outbox\""), "{message}");
    let mut outbox = Outbox::create().await;
    outbox
        .execute("ALTER TABLE outbox DROP COLUMN headers; ALTER TABLE outbox RENAME COLUMN type TO kind")
        .await;
    let (code, message) = outbox.refusal(Start::Now).await;
    assert_eq!(code, "D323");
    assert!(message.contains("has no column type, headers"), "{message}");
    assert!(message.contains("ALTER TABLE \"outbox\" ADD COLUMN \"headers\";"), "{message}");
}

#[tokio::test]
async fn a_replaced_file_and_a_foreign_position_are_refused() {
    let mut outbox = Outbox::create().await;
    outbox.insert(&["1"]).await;
    let beyond = Position { base: "sqlite".to_owned(), after: 2 };
    assert_eq!(outbox.refusal(Start::After(beyond)).await.0, "D325");
    let foreign = Position { base: "7301;1;0/0;1:1:".to_owned(), after: 0 };
    assert_eq!(outbox.refusal(Start::After(foreign)).await.0, "D327");
    let missing = Outbox { folder: tempfile::tempdir().unwrap(), writer: outbox.writer };
    assert_eq!(missing.refusal(Start::Now).await.0, "D321");
    std::fs::write(missing.path(), "certainly not a database, but long enough for a header").unwrap();
    assert_eq!(missing.refusal(Start::Now).await.0, "D321");
}
