//! Writes events into the embedded outbox, again and again, so that something flows.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Executor as _};

use super::unusable;
use crate::app::AppError;
use crate::plugin::golden::EventRow;

/// Rows that stay: an afternoon of development fills no disk.
const KEPT: i64 = 10_000;

const INSERT: &str = "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers) \
                      VALUES (?, ?, ?, ?, ?, ?)";

/// Commits the events of the golden cases in turn.
pub(super) struct Author {
    connection: SqliteConnection,
    events: Vec<EventRow>,
    written: u64,
    /// When events were committed whose message did not come yet.
    waiting: HashMap<String, Instant>,
    longest: Duration,
}

impl Author {
    pub(super) async fn open(database: &Path, events: Vec<EventRow>) -> Result<Self, AppError> {
        let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::from_secs(10));
        let connection = options.connect().await.map_err(|error| unusable("its database", &error))?;
        Ok(Self { connection, events, written: 0, waiting: HashMap::new(), longest: Duration::ZERO })
    }

    /// Commits each event once.
    pub(super) async fn round(&mut self) -> Result<(), AppError> {
        for _ in 0..self.events.len() {
            self.next().await?;
        }
        Ok(())
    }

    /// Commits the next event, under an id of its own.
    pub(super) async fn next(&mut self) -> Result<(), AppError> {
        let count = self.events.len().max(1) as u64;
        let index = usize::try_from(self.written % count).unwrap_or_default();
        let Some(event) = self.events.get(index) else { return Ok(()) };
        self.written += 1;
        let id = format!("{}-{}", event.id, self.written);
        let headers: serde_json::Map<_, _> = event
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned().into()))
            .collect();
        let insert = sqlx::query(INSERT)
            .bind(&id)
            .bind(&event.aggregate_type)
            .bind(&event.aggregate_id)
            .bind(&event.event_type)
            .bind(&event.payload)
            .bind(serde_json::Value::Object(headers).to_string());
        self.connection.execute(insert).await.map_err(|error| unusable("its database", &error))?;
        self.waiting.insert(id, Instant::now());
        if self.written.is_multiple_of(1_000) {
            let old =
                sqlx::query("DELETE FROM outbox WHERE seq <= (SELECT max(seq) FROM outbox) - ?").bind(KEPT);
            self.connection.execute(old).await.map_err(|error| unusable("its database", &error))?;
            // Events that were discarded never bring a message.
            self.waiting.clear();
        }
        Ok(())
    }

    /// A message came for the event `id`.
    pub(super) fn arrived(&mut self, id: &str, at: Instant) {
        if let Some(committed) = self.waiting.remove(id) {
            self.longest = self.longest.max(at.saturating_duration_since(committed));
        }
    }

    /// Waits no more for what was written so far: the relay did not run yet.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// The longest wait since this was asked last.
    pub(super) fn take_longest(&mut self) -> Duration {
        std::mem::take(&mut self.longest)
    }
}
