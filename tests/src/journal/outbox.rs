//! The outbox table of the tests, with Debezium's column names.

use sqlx::{Connection, Executor, PgConnection};

/// Creates the outbox `public.outbox`, and the table of aggregates that writers change with it.
///
/// # Errors
/// What the database says.
pub async fn create_outbox(url: &str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(include_str!("outbox.sql")).await?;
    connection.close().await
}

/// Fills the outbox with `events` events of about 300 bytes of JSON, 10,000 keys and 3 headers, 1,000 to a
/// transaction, made by the database itself; analyses the table afterwards.
///
/// # Errors
/// What the database says.
pub async fn load_outbox(url: &str, events: u64) -> sqlx::Result<()> {
    const TRANSACTION: u64 = 1_000;
    let mut connection = PgConnection::connect(url).await?;
    connection.execute("SET synchronous_commit = off").await?;
    let mut first = 1;
    while first <= events {
        let last = events.min(first + TRANSACTION - 1);
        sqlx::query(include_str!("load.sql"))
            .bind(i64::try_from(first).unwrap_or(i64::MAX))
            .bind(i64::try_from(last).unwrap_or(i64::MAX))
            .execute(&mut connection)
            .await?;
        first = last + 1;
    }
    connection.execute("VACUUM ANALYZE outbox").await?;
    connection.execute("CHECKPOINT").await?;
    connection.close().await
}
