//! One connection, and scripts run on it.

use std::str::FromStr;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Either, Row};
use tokio::time::timeout;

use super::PostgresSourceConfig;
use super::failure::{self, TOO_SLOW, UNREACHABLE, classify, unavailable};
use super::place::Moment;
use super::script::{Part, Script};
use crate::source::SourceError;

/// A server that accepts the connection and says nothing must not hold the source up for longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The server ends a statement by itself when its time is up; if not even that answer comes, the network is
/// cut, and this much later the connection is given up.
const GRACE: Duration = Duration::from_secs(5);

/// Statements of a script that may each take the statement timeout.
const LONG_STATEMENTS: u32 = 3;

/// A connection to the database of the outbox.
#[derive(Debug)]
pub(super) struct Session {
    connection: PgConnection,
    /// A call was dropped before its script had ended, so a transaction may be open.
    dropped_call: bool,
}

impl Session {
    /// Connects.
    ///
    /// The session parameters are only those every pooler lets through: all others are set inside each
    /// transaction.
    pub(super) async fn connect(config: &PostgresSourceConfig) -> Result<Self, SourceError> {
        let options = PgConnectOptions::from_str(&config.url)
            .map_err(|error| classify("reading the connection URL", error))?
            .application_name("relay source")
            .extra_float_digits(None)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        let connection = timeout(CONNECT_TIMEOUT, options.connect())
            .await
            .map_err(|_| unavailable(UNREACHABLE, "the database did not answer the connection in 10 s"))?
            .map_err(|error| classify("connecting", error))?;
        Ok(Self { connection, dropped_call: false })
    }

    /// Runs `script` in one round trip and hands its rows to `on_row`, each with the part it belongs to.
    pub(super) async fn run<F>(
        &mut self,
        doing: &'static str,
        statement_timeout: Duration,
        script: &Script,
        on_row: F,
    ) -> Result<(), SourceError>
    where
        F: FnMut(Part, PgRow) -> Result<(), SourceError> + Send,
    {
        let limit = statement_timeout.saturating_mul(LONG_STATEMENTS).saturating_add(GRACE);
        timeout(limit, self.run_unbounded(doing, script, on_row))
            .await
            .map_err(|_| unavailable(TOO_SLOW, format!("no answer in {limit:?} while {doing}")))?
    }

    async fn run_unbounded<F>(
        &mut self,
        doing: &'static str,
        script: &Script,
        mut on_row: F,
    ) -> Result<(), SourceError>
    where
        F: FnMut(Part, PgRow) -> Result<(), SourceError> + Send,
    {
        let whole = Script::after_dropped_call(self.dropped_call).followed_by(script);
        self.dropped_call = true;
        let sql = AssertSqlSafe(whole.sql().to_owned());
        let mut answers = sqlx::raw_sql(sql).fetch_many(&mut self.connection);
        let mut statement = 0;
        while let Some(answer) = answers.try_next().await.map_err(|error| classify(doing, error))? {
            match answer {
                Either::Left(_) => statement += 1,
                Either::Right(row) => on_row(whole.part(statement), row)?,
            }
        }
        drop(answers);
        self.dropped_call = false;
        Ok(())
    }

    /// Runs one query in a transaction of its own and returns its rows.
    pub(super) async fn query(
        &mut self,
        doing: &'static str,
        statement_timeout: Duration,
        sql: &str,
    ) -> Result<Vec<PgRow>, SourceError> {
        let script = Script::default()
            .then(Part::Silent, "BEGIN READ ONLY")
            .then(Part::Fresh, sql)
            .then(Part::Silent, "COMMIT");
        let mut rows = Vec::new();
        self.run(doing, statement_timeout, &script, |_, row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }
}

/// What a probe answers: the moment its transaction sees, and the timeline of the server.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) moment: Moment,
    pub(super) timeline: u32,
}

impl Probe {
    pub(super) fn of(row: &PgRow) -> Result<Self, SourceError> {
        Ok(Self {
            moment: Moment { snapshot: field(row, 0)?, lsn: field(row, 1)? },
            timeline: field(row, 2)?,
        })
    }
}

/// The text of the column at `index`; `None` for NULL.
pub(super) fn text(row: &PgRow, index: usize) -> Result<Option<&str>, SourceError> {
    match bytes(row, index)? {
        None => Ok(None),
        Some(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| {
            failure::refused(
                failure::ROW,
                format!(
                    "a value of column {:?} is not UTF-8",
                    row.columns().get(index).map(sqlx::Column::name)
                ),
                "store text in a UTF-8 database, or the payload as bytea",
            )
        }),
    }
}

/// The bytes of the column at `index` as the server sent them; `None` for NULL.
pub(super) fn bytes(row: &PgRow, index: usize) -> Result<Option<&[u8]>, SourceError> {
    let value = row.try_get_raw(index).map_err(|error| classify("reading a row", error))?;
    Ok(value.as_bytes().ok())
}

/// The column at `index`, parsed.
pub(super) fn field<T: FromStr>(row: &PgRow, index: usize) -> Result<T, SourceError> {
    text(row, index)?.and_then(|text| text.parse().ok()).ok_or_else(|| {
        unavailable(UNREACHABLE, format!("column {index} of an answer of the database can't be read"))
    })
}
