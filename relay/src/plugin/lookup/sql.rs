//! Reads a table from a database.

use std::time::Duration;

use super::config::DatabaseConfig;
use super::error::LookupError;
use crate::plugin::tables::Table;

/// How long connecting, asking and reading may take together.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The rows that `database` answers to `query`, each under its value of the column `key`.
pub(super) async fn read(
    database: &DatabaseConfig,
    query: &str,
    key: &str,
    max: usize,
) -> Result<Table, LookupError> {
    // One statement without its end: it becomes a part of another.
    let query = query.trim().trim_end_matches(';');
    let reading = async {
        match database {
            #[cfg(feature = "postgres")]
            DatabaseConfig::Postgres(url) => postgres::read(url, query, key, max).await,
            #[cfg(not(feature = "postgres"))]
            DatabaseConfig::Postgres(_) => Err(left_out("postgres")),
            #[cfg(feature = "sqlite")]
            DatabaseConfig::Sqlite(path) => sqlite::read(path, query, key, max).await,
            #[cfg(not(feature = "sqlite"))]
            DatabaseConfig::Sqlite(_) => Err(left_out("sqlite")),
        }
    };
    tokio::time::timeout(TIMEOUT, reading).await.unwrap_or_else(|_| {
        let what = format!("the database did not answer in {TIMEOUT:?}");
        Err(LookupError::new(what, "see whether it is reachable, and how long the query takes"))
    })
}

#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
fn left_out(feature: &str) -> LookupError {
    let what = format!("this relay is built without {feature}");
    LookupError::new(what, format!("build with --features {feature}"))
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn not_asked(doing: &str, error: &sqlx::Error) -> LookupError {
    LookupError::new(format!("{doing}: {error}"), "correct the query, or see what the database says")
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn without_key(row: usize, key: &str) -> LookupError {
    LookupError::new(format!("row {row} has no {key:?}: it is NULL"), "leave such rows out of the query")
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::str::FromStr;

    use futures_util::TryStreamExt;
    use sqlx::postgres::PgConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

    use super::{TIMEOUT, not_asked, without_key};
    use crate::plugin::lookup::error::LookupError;
    use crate::plugin::tables::Table;

    pub(super) async fn read(url: &str, query: &str, key: &str, max: usize) -> Result<Table, LookupError> {
        let failed = |doing: &'static str| move |error: sqlx::Error| not_asked(doing, &error);
        let options = PgConnectOptions::from_str(url)
            .map_err(failed("reading the database's URL"))?
            .application_name("relay lookup")
            .extra_float_digits(None)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(failed("connecting"))?;
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = '{}ms'; SET LOCAL lock_timeout = '10s'",
            TIMEOUT.as_millis()
        );
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.map_err(failed("beginning"))?;
        let quoted = key.replace('"', "\"\"");
        let whole = format!(
            "SELECT (lookup_row.\"{quoted}\")::text, row_to_json(lookup_row)::text FROM ({query}) AS lookup_row"
        );
        let mut table = Table::default();
        let mut number = 0;
        // Prepared, which a server refuses for more than one statement.
        let mut rows = sqlx::query(AssertSqlSafe(whole)).persistent(false).fetch(&mut connection);
        while let Some(row) = rows.try_next().await.map_err(failed("asking for the rows"))? {
            number += 1;
            let text = |column| row.try_get::<Option<String>, _>(column).map_err(failed("reading a row"));
            let key = text(0)?.ok_or_else(|| without_key(number, key))?;
            let value = text(1)?.unwrap_or_default();
            table
                .insert(&key, value.as_bytes(), max)
                .map_err(|unfit| LookupError::unfit(format_args!("row {number}"), unfit))?;
        }
        drop(rows);
        // The rows are read; the server ends what is open with the connection.
        let _ = connection.close().await;
        Ok(table)
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::Path;
    use std::time::Duration;

    use futures_util::TryStreamExt;
    use serde_json::{Map, Value};
    use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
    use sqlx::{AssertSqlSafe, Column, ConnectOptions, Row, TypeInfo, ValueRef};

    use super::{not_asked, without_key};
    use crate::plugin::lookup::error::LookupError;
    use crate::plugin::tables::Table;

    /// How long a writer may hold the file.
    const BUSY: Duration = Duration::from_secs(10);

    pub(super) async fn read(path: &Path, query: &str, key: &str, max: usize) -> Result<Table, LookupError> {
        let failed = |doing: &'static str| move |error: sqlx::Error| not_asked(doing, &error);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(failed("opening the file"))?;
        let mut table = Table::default();
        let mut number = 0;
        let whole = format!("SELECT * FROM ({query})");
        let mut rows = sqlx::query(AssertSqlSafe(whole)).fetch(&mut connection);
        while let Some(row) = rows.try_next().await.map_err(failed("asking for the rows"))? {
            number += 1;
            let object = object(&row, number)?;
            let key = match object.get(key) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) => return Err(without_key(number, key)),
                Some(other) => other.to_string(),
                None => return Err(no_column(&row, key)),
            };
            let value = Value::Object(object).to_string();
            table
                .insert(&key, value.as_bytes(), max)
                .map_err(|unfit| LookupError::unfit(format_args!("row {number}"), unfit))?;
        }
        Ok(table)
    }

    fn no_column(row: &SqliteRow, key: &str) -> LookupError {
        let columns = row.columns().iter().map(Column::name).collect::<Vec<_>>().join(", ");
        LookupError::new(format!("the query has no column {key:?}; its columns: {columns}"), "correct `key`")
    }

    fn object(row: &SqliteRow, number: usize) -> Result<Map<String, Value>, LookupError> {
        let failed = |error: sqlx::Error| not_asked("reading a row", &error);
        let mut object = Map::new();
        for column in row.columns() {
            let index = column.ordinal();
            let raw = row.try_get_raw(index).map_err(failed)?;
            let value = match raw.type_info().name() {
                _ if raw.is_null() => Value::Null,
                "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(index).map_err(failed)?.into(),
                "REAL" => row.try_get_unchecked::<f64, _>(index).map_err(failed)?.into(),
                "BLOB" => {
                    let what = format!("row {number} has bytes in the column {:?}", column.name());
                    return Err(LookupError::new(
                        what,
                        "have the query answer texts and numbers, as with hex()",
                    ));
                }
                _ => row.try_get_unchecked::<String, _>(index).map_err(failed)?.into(),
            };
            object.insert(column.name().to_owned(), value);
        }
        Ok(object)
    }
}
