//! Connections to the file, and the transactions of each kind.

use std::path::Path;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

use super::fault::sqlite_error;
use crate::store::StoreError;
use crate::store::fault::{Cause, store_error};

/// How long a write waits for the application's; its transactions are short, or it would block itself.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call waits for its turn among the relay's own: longer than one that waits for the application.
const TURN_TIMEOUT: Duration = Duration::from_secs(20);

/// Readers do not wait for the writer in WAL mode; two keep a listing from holding up a lane.
const READERS: u32 = 2;

/// One connection that writes, for which lanes queue, a few that read, and the runtime their timers belong to.
///
/// With two writing connections the loser would poll the file's lock; in this queue it is simply next.
#[derive(Debug, Clone)]
pub(super) struct Session {
    writer: SqlitePool,
    readers: SqlitePool,
    home: Handle,
}

impl Session {
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        // The relay's tables stand beside the application's outbox. A file that is missing is a path that is wrong.
        if !path.exists() {
            let what = format!("there is no file {}", path.display());
            return Err(store_error(Cause::NoEntry, what, None));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL may lose the last commits with the power, and a settlement is a promise.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        // A file has no idle connections to lose, so they stay.
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(TURN_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let writer = pool(1).connect_with(options.clone()).await.map_err(sqlite_error)?;
        let readers = pool(READERS).connect_lazy_with(options);
        Ok(Self { writer, readers, home: Handle::current() })
    }

    /// Runs `future` so that its timers and the pool's tasks belong to the runtime that made this store, not to
    /// that of a lane, which may end or be busy with a plugin.
    pub(super) fn at_home<F: Future>(&self, future: F) -> TokioContext<F> {
        TokioContext::new(future, self.home.clone())
    }

    /// Begins a transaction that holds the file's write lock; dropped without a commit, it changes nothing.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(sqlite_error)
    }

    /// For single statements that only read.
    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }
}

/// A statement, prepared once a connection.
pub(super) fn statement(sql: &'static str) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(sql)
}
