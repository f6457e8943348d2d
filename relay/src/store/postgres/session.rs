//! Connections, and the transaction that every call runs in.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, PgPool, Postgres, Transaction};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

use super::fault::postgres_error;
use crate::store::StoreError;
use crate::store::fault::{Cause, store_error};

/// A call takes a few milliseconds, so that a handful of connections serves hundreds of lanes at ten
/// settlements a second each.
const CONNECTIONS: u32 = 5;

/// How long a call waits for a connection: longer than a restart of the database, shorter than an operator.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that rested this long may have been cut by a firewall or a restart: ask before using it.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// What each transaction begins with.
///
/// - read committed, whatever the role's default: the compare-and-set waits for a row lock and then sees the
///   winner's row
/// - synchronous commit, whatever the role's default: what is settled survives a crash
/// - a lock timeout below the statement timeout, so that the error names the lock
/// - a limit on idling inside: a paused relay must not keep its lane locked for its successor
/// - `pg_temp` last, so that no temporary table of a shared session stands before ours
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED {mode}; \
    SET LOCAL search_path TO {schema}, pg_temp; \
    SET LOCAL synchronous_commit TO on; \
    SET LOCAL lock_timeout TO '5s'; \
    SET LOCAL statement_timeout TO '15s'; \
    SET LOCAL idle_in_transaction_session_timeout TO '10s'";

/// The pool, and the runtime its sockets belong to.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pool: PgPool,
    begin_write: Arc<str>,
    begin_read: Arc<str>,
    home: Handle,
}

impl Session {
    pub(super) async fn connect(url: &str, schema: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| {
                store_error(Cause::NoEntry, format!("the store's Postgres URL can't be read: {error}"), None)
            })?
            .application_name("relay store")
            // PgBouncer refuses start-up parameters that it does not know.
            .extra_float_digits(None)
            .statement_cache_capacity(0);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, rested| {
                Box::pin(async move { Ok(rested.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok()) })
            })
            .connect_with(options)
            .await
            .map_err(postgres_error)?;
        let begin = |mode| {
            let schema = quoted(schema);
            Arc::from(BEGIN.replace("{mode}", mode).replace("{schema}", &schema))
        };
        Ok(Self {
            pool,
            begin_write: begin("READ WRITE"),
            begin_read: begin("READ ONLY"),
            home: Handle::current(),
        })
    }

    /// Runs `future` so that what it opens belongs to the runtime that made this store.
    ///
    /// Lanes call from runtimes of their own. A connection opened on one of those would stall for the others
    /// while that lane computes, and break when it ends.
    pub(super) fn at_home<F: Future>(&self, future: F) -> TokioContext<F> {
        TokioContext::new(future, self.home.clone())
    }

    /// Begins a transaction that may write; dropped without a commit, it changes nothing.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begin = AssertSqlSafe(Arc::clone(&self.begin_write));
        self.pool.begin_with(begin).await.map_err(postgres_error)
    }

    /// Begins a transaction that only reads.
    pub(super) async fn read(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begin = AssertSqlSafe(Arc::clone(&self.begin_read));
        self.pool.begin_with(begin).await.map_err(postgres_error)
    }
}

/// A statement without a name: behind PgBouncer the next transaction may run in another session.
pub(super) fn statement(sql: &'static str) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(sql).persistent(false)
}

/// `name` as an identifier in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
