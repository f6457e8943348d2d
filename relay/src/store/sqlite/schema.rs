//! Making the tables, and telling whether they fit.

use sqlx::sqlite::SqliteConnection;

use super::fault::sqlite_error;
use super::session::{Session, statement};
use crate::store::StoreError;
use crate::store::fault::{Cause, store_error};
use crate::store::rows::StoredRow as _;

/// The version of the tables that this relay reads and writes.
const VERSION: i64 = 1;

/// Creates the tables where they are missing; a second relay waits for the write lock and finds them.
pub(super) async fn prepare(session: &Session) -> Result<(), StoreError> {
    let mut reader = session.readers().acquire().await.map_err(sqlite_error)?;
    let found = version(&mut reader).await?;
    drop(reader);
    if found.is_some() {
        return check(found);
    }
    let mut transaction = session.write().await?;
    if version(&mut transaction).await?.is_none() {
        sqlx::raw_sql(include_str!("sql/schema_0001.sql"))
            .execute(&mut *transaction)
            .await
            .map_err(sqlite_error)?;
    }
    let found = version(&mut transaction).await?;
    transaction.commit().await.map_err(sqlite_error)?;
    check(found)
}

/// The version of the tables; `None` where there are none.
async fn version(connection: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    let tables = statement(include_str!("sql/schema_exists.sql"))
        .fetch_one(&mut *connection)
        .await
        .map_err(sqlite_error)?;
    if tables.number("tables")? == 0 {
        return Ok(None);
    }
    let row = statement(include_str!("sql/schema_version.sql"))
        .fetch_optional(connection)
        .await
        .map_err(sqlite_error)?;
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
        None => Err(store_error(Cause::NoTables, "the table relay_schema_version is empty".to_owned(), None)),
    }
}
