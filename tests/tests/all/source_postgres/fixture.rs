//! An outbox of its own for each test, writers and readers of it.

use std::time::Duration;

use relay::source::postgres::{PostgresSource, PostgresSourceConfig, ddl};
use relay::source::{BatchLimit, Columns, ReadBatch, Source, SourceError, Start};
use relay_engine::event::{Position, Shard};
use relay_tests::stack::shared_postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Longer than any answer takes on a loaded machine, so that a test fails instead of hanging.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const WIDE: BatchLimit = BatchLimit { events: 1_000, bytes: 1 << 20 };

/// A database with an outbox table.
pub(super) struct Outbox {
    pub(super) url: String,
    pub(super) writer: PgConnection,
}

impl Outbox {
    pub(super) async fn create() -> Self {
        let outbox =
            Self::without_table(&shared_postgres().await.unwrap().create_database("source").await.unwrap())
                .await;
        outbox.with_table().await
    }

    pub(super) async fn without_table(url: &str) -> Self {
        Self { url: url.to_owned(), writer: PgConnection::connect(url).await.unwrap() }
    }

    pub(super) async fn with_table(mut self) -> Self {
        execute(&mut self.writer, &ddl("public", "outbox")).await;
        self
    }

    pub(super) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(super) fn config(&self) -> PostgresSourceConfig {
        PostgresSourceConfig {
            name: "shop".to_owned(),
            url: self.url.clone(),
            schema: "public".to_owned(),
            table: "outbox".to_owned(),
            columns: Columns::default(),
            max_payload: 16 << 20,
            shard: Shard::WHOLE,
            poll_busy: Duration::from_micros(1_500),
            poll_idle: Duration::from_millis(50),
            statement_timeout: Duration::from_secs(10),
        }
    }

    pub(super) fn source(&self) -> PostgresSource {
        PostgresSource::new(self.config())
    }

    /// A source that has been opened at `start`.
    pub(super) async fn open(&self, start: Start) -> PostgresSource {
        let mut source = self.source();
        source.open(start).await.unwrap();
        source
    }

    /// Inserts one event per payload, each in a transaction of its own.
    pub(super) async fn insert(&mut self, key: &str, payloads: &[&str]) {
        for payload in payloads {
            insert(&mut self.writer, key, payload).await;
        }
    }

    /// What opening answers when it must fail.
    pub(super) async fn refusal(&self) -> (&'static str, String) {
        refusal(&mut self.source()).await
    }
}

/// Code and text of the refusal that opening `source` meets.
pub(super) async fn refusal(source: &mut PostgresSource) -> (&'static str, String) {
    match source.open(Start::Beginning).await {
        Err(error @ SourceError::Refused { code, .. }) => (code, error.to_string()),
        other => panic!("not refused: {other:?}"),
    }
}

/// Runs `sql`, any number of statements.
pub(super) async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// Inserts an event in the current transaction, or in one of its own.
pub(super) async fn insert(connection: &mut PgConnection, key: &str, payload: &str) {
    sqlx::query(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', $1, 'changed', $2)",
    )
    .bind(key)
    .bind(payload)
    .execute(connection)
    .await
    .unwrap();
}

/// One number or text that `sql` answers.
pub(super) async fn ask<T>(connection: &mut PgConnection, sql: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

/// The next batch, which must come.
pub(super) async fn next(source: &mut PostgresSource, limit: BatchLimit) -> ReadBatch {
    tokio::time::timeout(PATIENCE, source.next_batch(limit)).await.expect("a batch in time").unwrap()
}

/// Payloads of the next `count` events, and the position behind them.
pub(super) async fn read(
    source: &mut PostgresSource,
    count: usize,
    limit: BatchLimit,
) -> (Vec<String>, Position) {
    let mut payloads = Vec::new();
    loop {
        let batch = next(source, limit).await;
        assert!(batch.events.len() <= limit.events, "a batch keeps to its limit");
        payloads.extend(batch.events.iter().map(|event| text(event.payload())));
        if payloads.len() >= count {
            return (payloads, batch.end);
        }
    }
}

pub(super) fn text(payload: Option<&[u8]>) -> String {
    String::from_utf8(payload.unwrap_or(b"(none)").to_vec()).unwrap()
}
