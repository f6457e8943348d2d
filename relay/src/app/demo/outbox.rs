//! The application: commits orders and their events in one transaction, and rolls some back.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use super::setup::unusable;
use crate::app::AppError;
use crate::source::sqlite;

/// Orders that events are about: enough for lanes to overlap keys, few enough to show order within a key.
const ORDERS: u64 = 50;

/// One transaction in this many is rolled back beside the committed ones.
const ROLL_BACK_EVERY: u64 = 10;

/// Between two transactions: a busy shop, and slow enough to read along.
const PAUSE: Duration = Duration::from_millis(2);

const INSERT: &str = "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) \
                      VALUES (?, 'order', ?, 'OrderPlaced', ?) RETURNING seq";

/// Writes the outbox.
#[derive(Clone)]
pub(super) struct Writer {
    database: std::path::PathBuf,
    written: Arc<Mutex<Written>>,
}

/// What the writer knows to be true.
#[derive(Default)]
pub(super) struct Written {
    /// Committed events by id.
    pub(super) committed: HashMap<String, Committed>,
    /// Ids of events whose transactions were rolled back.
    pub(super) rolled_back: Vec<String>,
    transactions: u64,
}

#[derive(Clone)]
pub(super) struct Committed {
    pub(super) seq: i64,
    pub(super) order: String,
    pub(super) at: Instant,
}

impl Writer {
    pub(super) async fn open(database: &Path) -> Result<Self, AppError> {
        let writer = Self { database: database.to_owned(), written: Arc::default() };
        let mut connection = writer.connect().await?;
        let orders = "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, version INTEGER NOT NULL)";
        connection.execute(orders).await.map_err(|error| unusable("its database", &error))?;
        Ok(writer)
    }

    async fn connect(&self) -> Result<SqliteConnection, AppError> {
        connect(&self.database).await
    }

    /// Commits `count` events, one transaction each, and rolls others back in between.
    pub(super) async fn commit(&self, count: u32) -> Result<(), AppError> {
        let mut connection = self.connect().await?;
        let mut ticks = tokio::time::interval(PAUSE);
        for _ in 0..count {
            ticks.tick().await;
            let number = self.next_number();
            self.transact(&mut connection, number, true).await?;
            if number.is_multiple_of(ROLL_BACK_EVERY) {
                self.transact(&mut connection, number, false).await?;
            }
        }
        Ok(())
    }

    fn next_number(&self) -> u64 {
        let mut written = self.lock();
        written.transactions += 1;
        written.transactions
    }

    async fn transact(
        &self,
        connection: &mut SqliteConnection,
        number: u64,
        commit: bool,
    ) -> Result<(), AppError> {
        let failed = |error: sqlx::Error| unusable("its database", &error);
        let order = format!("order-{}", number % ORDERS);
        let id = format!("{}-{number}", if commit { "event" } else { "rolled-back" });
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let upsert = "INSERT INTO orders VALUES (?, 1) ON CONFLICT DO UPDATE SET version = version + 1 RETURNING version";
        let version: i64 =
            sqlx::query(upsert).bind(&order).fetch_one(&mut *transaction).await.map_err(failed)?.get(0);
        let payload = serde_json::json!({
            "order": order, "version": version, "total": number,
            "customer": { "name": "A. Customer", "email": format!("customer-{number}@example.org") },
        });
        let insert = sqlx::query(INSERT).bind(&id).bind(&order).bind(payload.to_string());
        let seq: i64 = insert.fetch_one(&mut *transaction).await.map_err(failed)?.get(0);
        if commit {
            // Before the commit: a relay may deliver the event before this task runs again.
            self.lock().committed.insert(id, Committed { seq, order, at: Instant::now() });
            transaction.commit().await.map_err(failed)
        } else {
            self.lock().rolled_back.push(id);
            transaction.rollback().await.map_err(failed)
        }
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the outbox table, before the relay looks for it.
pub(super) async fn create(database: &Path) -> Result<(), AppError> {
    let mut connection = connect(database).await?;
    let script = sqlx::raw_sql(AssertSqlSafe(sqlite::ddl("outbox")));
    script.execute(&mut connection).await.map_err(|error| unusable("its database", &error))?;
    Ok(())
}

async fn connect(database: &Path) -> Result<SqliteConnection, AppError> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(10));
    SqliteConnection::connect_with(&options).await.map_err(|error| unusable("its database", &error))
}
