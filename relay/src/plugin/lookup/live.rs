//! A table that is read again while the relay runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::config::{LookupConfig, OriginConfig};
use super::error::LookupError;
use super::load::{load, load_blocking};
use crate::plugin::tables::Table;
use crate::telemetry;

/// A table, always in its last good version.
#[derive(Debug)]
pub(in crate::plugin) struct Lookup {
    config: LookupConfig,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    table: Arc<Table>,
    /// When this version was read.
    read: Instant,
    /// When it is to be read again; `None` while it is.
    due: Option<Instant>,
    /// Whether the last reading failed.
    is_failing: bool,
}

impl Lookup {
    /// Reads the table for the first time. Blocks its thread.
    pub(super) fn open(config: LookupConfig) -> Result<Self, LookupError> {
        let table = Arc::new(load_blocking(&config)?);
        let now = Instant::now();
        let due = Some(now + config.refresh);
        tracing::info!(
            lookup = config.name,
            rows = table.rows(),
            bytes = table.bytes(),
            "a lookup table was read"
        );
        let lookup = Self { config, state: Mutex::new(State { table, read: now, due, is_failing: false }) };
        lookup.tell_metrics(now);
        Ok(lookup)
    }

    pub(super) fn config(&self) -> &LookupConfig {
        &self.config
    }

    /// What plugins call it by.
    pub(in crate::plugin) fn name(&self) -> &str {
        &self.config.name
    }

    /// The last good version.
    pub(in crate::plugin) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.locked().table)
    }

    /// Whether it is to be read again now; says so once.
    pub(super) fn take_due(&self, now: Instant) -> bool {
        let mut state = self.locked();
        let is_due = state.due.is_some_and(|due| due <= now);
        if is_due {
            state.due = None;
        }
        is_due && !matches!(self.config.origin, OriginConfig::Rows(_))
    }

    /// Reads it again; where that fails, the version that is there stays.
    pub(super) async fn refresh(&self) {
        let read = load(&self.config).await;
        self.take(read, Instant::now());
    }

    fn take(&self, read: Result<Table, LookupError>, now: Instant) {
        let name = &self.config.name;
        let mut state = self.locked();
        state.due = Some(now + self.config.refresh);
        match read {
            Ok(table) => {
                state.table = Arc::new(table);
                state.read = now;
                if std::mem::take(&mut state.is_failing) {
                    tracing::info!(
                        lookup = name,
                        rows = state.table.rows(),
                        "the lookup table is read again"
                    );
                }
            }
            Err(error) => {
                metrics::counter!(telemetry::LOOKUP_FAILURES, "lookup" => name.clone()).increment(1);
                // Once for all failures in a row: an outage of a database must not fill the log.
                if !std::mem::replace(&mut state.is_failing, true) {
                    let age = now.saturating_duration_since(state.read);
                    tracing::warn!(
                        code = "P141",
                        lookup = name,
                        "P141: the lookup table can't be read again, and stays as it was {} s ago: {error}",
                        age.as_secs()
                    );
                }
            }
        }
    }

    /// Shows its size and its age.
    pub(super) fn tell_metrics(&self, now: Instant) {
        let (rows, bytes, age) = {
            let state = self.locked();
            (state.table.rows(), state.table.bytes(), now.saturating_duration_since(state.read))
        };
        let gauge = |name: &'static str, value: f64| {
            metrics::gauge!(name, "lookup" => self.config.name.clone()).set(value);
        };
        #[expect(clippy::cast_precision_loss, reason = "a table has far fewer rows and bytes than 2^53")]
        let (rows, bytes) = (rows as f64, bytes as f64);
        gauge(telemetry::LOOKUP_ROWS, rows);
        gauge(telemetry::LOOKUP_BYTES, bytes);
        gauge(telemetry::LOOKUP_AGE, age.as_secs_f64());
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that holds it can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As if this had been read.
    #[cfg(test)]
    pub(in crate::plugin) fn put(&self, table: Table) {
        self.take(Ok(table), Instant::now());
    }

    #[cfg(test)]
    pub(super) fn is_failing(&self) -> bool {
        self.locked().is_failing
    }
}

/// How often it is looked whether a table is due: the shortest time between two readings is a second.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);
