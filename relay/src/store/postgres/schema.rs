//! Making the tables, and telling whether they fit.

use sqlx::{AssertSqlSafe, Postgres, Row as _, Transaction};

use super::fault::postgres_error;
use super::session::{Session, quoted, statement};
use crate::store::StoreError;
use crate::store::fault::{Cause, store_error};
use crate::store::rows::StoredRow as _;

/// The version of the tables that this relay reads and writes.
const VERSION: i64 = 1;

/// The statements that bring the tables from nothing to [`VERSION`].
const SCHEMA: &str = include_str!("sql/schema_0001.sql");

/// Lets one relay at a time create tables; the number only has to be ours.
const LOCK: i64 = 0x7265_6c61_795f_7631;

/// Creates the schema and its tables where they are missing.
///
/// Looks first: a role that may only use the tables passes when its owner made them.
pub(super) async fn prepare(session: &Session, schema: &str) -> Result<(), StoreError> {
    let mut transaction = session.read().await?;
    let found = version(&mut transaction).await?;
    transaction.commit().await.map_err(postgres_error)?;
    if found.is_some() {
        return check(found);
    }
    let mut transaction = session.write().await?;
    // A lock of the transaction, not of the session, which PgBouncer may hand to another client.
    statement("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(postgres_error)?;
    if version(&mut transaction).await?.is_none() {
        create(&mut transaction, schema).await?;
    }
    let found = version(&mut transaction).await?;
    transaction.commit().await.map_err(postgres_error)?;
    check(found)
}

async fn create(transaction: &mut Transaction<'static, Postgres>, schema: &str) -> Result<(), StoreError> {
    // IF NOT EXISTS alone would ask for the right to create even where nothing is created.
    let exists = statement("SELECT FROM pg_namespace WHERE nspname = $1")
        .bind(schema)
        .fetch_optional(&mut **transaction)
        .await
        .map_err(postgres_error)?;
    if exists.is_none() {
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema))))
            .execute(&mut **transaction)
            .await
            .map_err(postgres_error)?;
    }
    sqlx::raw_sql(SCHEMA).execute(&mut **transaction).await.map_err(postgres_error)?;
    Ok(())
}

/// The version of the tables; `None` where there are none.
async fn version(transaction: &mut Transaction<'static, Postgres>) -> Result<Option<i64>, StoreError> {
    let table = statement("SELECT to_regclass('schema_version') IS NOT NULL")
        .fetch_one(&mut **transaction)
        .await
        .map_err(postgres_error)?;
    if !table.try_get::<bool, _>(0).map_err(postgres_error)? {
        return Ok(None);
    }
    let row = statement(include_str!("sql/schema_version.sql"))
        .fetch_optional(&mut **transaction)
        .await
        .map_err(postgres_error)?;
    row.map(|row| row.number("version")).transpose()
}

fn check(found: Option<i64>) -> Result<(), StoreError> {
    match found {
        Some(VERSION) => Ok(()),
        Some(newer) => Err(store_error(
            Cause::TooNew,
            format!("the relay's tables have version {newer}, this relay knows {VERSION}"),
            None,
        )),
        None => Err(store_error(Cause::NoTables, "the table schema_version is empty".to_owned(), None)),
    }
}

/// What the owner of the database runs so that the relay needs no right to create; safe to run again.
pub(super) fn owner_script(schema: &str) -> String {
    let schema = quoted(schema);
    format!(
        "BEGIN;\nCREATE SCHEMA IF NOT EXISTS {schema};\nSET LOCAL search_path TO {schema}, pg_temp;\n\n\
         {SCHEMA}\nCOMMIT;\n"
    )
}

/// What lets `role` use the tables, and no more.
pub(super) fn grant_script(schema: &str, role: &str) -> String {
    include_str!("sql/grants.sql").replace("{schema}", &quoted(schema)).replace("{role}", &quoted(role))
}
