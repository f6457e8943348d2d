//! An application with its outbox in SQLite, which has one writer at a time.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};

use super::{Journal, Outcome, Random, WrittenEvent};

const OUTBOX: &str = "
CREATE TABLE outbox (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    aggregatetype TEXT NOT NULL,
    aggregateid   TEXT NOT NULL,
    type          TEXT NOT NULL,
    payload       BLOB,
    headers       TEXT,
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)";
/// Of all transactions.
const ROLLBACK_PERCENT: u64 = 10;

/// Writes events and notes what became of them.
#[derive(Debug)]
pub struct SqliteWriter {
    connection: SqliteConnection,
    random: Random,
    versions: Vec<u64>,
    next: u64,
    journal: Journal,
}

impl SqliteWriter {
    /// Creates the file with the table `outbox`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn create(file: &Path) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let mut connection = options.journal_mode(SqliteJournalMode::Wal).connect().await?;
        connection.execute(OUTBOX).await?;
        Ok(Self {
            connection,
            random: Random::new(1),
            versions: Vec::new(),
            next: 0,
            journal: Journal::default(),
        })
    }

    /// Commits at least `events` events of `keys` keys in transactions of one to three, and rolls others back.
    ///
    /// # Errors
    /// What the database says.
    pub async fn write(&mut self, events: usize, keys: u64) -> sqlx::Result<()> {
        self.versions.resize(usize::try_from(keys).unwrap_or(usize::MAX), 0);
        while self.journal.committed() < events {
            self.one_transaction(keys).await?;
        }
        Ok(())
    }

    /// Events committed so far.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.journal.committed()
    }

    /// Closes the file and returns what was done.
    ///
    /// # Errors
    /// What the database says.
    pub async fn finish(self) -> sqlx::Result<Journal> {
        self.connection.close().await?;
        Ok(self.journal)
    }

    async fn one_transaction(&mut self, keys: u64) -> sqlx::Result<()> {
        let before = self.versions.clone();
        let mut transaction = self.connection.begin().await?;
        let mut written = Vec::new();
        for _ in 0..=self.random.below(3) {
            let key = self.random.below(keys);
            let version = &mut self.versions[usize::try_from(key).unwrap_or_default()];
            *version += 1;
            let event = WrittenEvent::new(0, self.next, &format!("order-{key}"), *version);
            self.next += 1;
            sqlx::query(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers) \
                 VALUES (?, 'order', ?, 'OrderPlaced', ?, '{\"origin\": \"writer\"}')",
            )
            .bind(&event.id)
            .bind(&event.key)
            .bind(event.body())
            .execute(&mut *transaction)
            .await?;
            written.push(event);
        }
        let outcome = if self.random.chance(ROLLBACK_PERCENT) {
            transaction.rollback().await?;
            self.versions = before;
            Outcome::RolledBack
        } else {
            transaction.commit().await?;
            Outcome::Committed
        };
        self.journal.events.extend(written.into_iter().map(|event| (event, outcome)));
        Ok(())
    }
}
