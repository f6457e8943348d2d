//! The SQL that an outbox needs, printed or run.

/// What may hold an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxKind {
    /// A Postgres database.
    Postgres,
    /// An SQLite file.
    Sqlite,
}

/// The SQL that one outbox and the relay's own tables need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxScripts {
    kind: OutboxKind,
    /// For the owner of the database: makes the outbox and the relay's own tables. Safe to run again.
    pub owner: String,
    /// Gives the relay's role the least that it needs; `None` for a file, which has no roles.
    pub relay: Option<String>,
}

/// Why the SQL can't be written or run.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Not `table` or `schema.table`.
    #[error("{0:?} is not the name of a table")]
    Table(String),
    /// This build has no such source.
    #[error("C014: this relay is built without the source type {0:?}")]
    NotBuiltIn(&'static str),
    /// The database does not answer, or refused a statement; in Postgres what its script began is undone.
    #[error("C044: the SQL could not be run")]
    Refused(#[source] sqlx::Error),
}

impl OutboxScripts {
    /// The scripts for `table`, in Postgres `table` or `schema.table`, read by the database role `role`.
    ///
    /// # Errors
    /// When `table` is not a name, or this build has no such source.
    pub fn new(kind: OutboxKind, table: &str, role: &str) -> Result<Self, OutboxError> {
        let (owner, relay) = match kind {
            OutboxKind::Postgres => postgres_scripts(table, role)?,
            OutboxKind::Sqlite => (sqlite_script(table)?, None),
        };
        Ok(Self { kind, owner, relay })
    }

    /// Runs both scripts as the user that `url` names, for Postgres each in a transaction of its own. An SQLite
    /// file that is not there is made.
    ///
    /// # Errors
    /// When the database does not answer or refuses a statement.
    pub async fn apply(&self, url: &str) -> Result<(), OutboxError> {
        match self.kind {
            OutboxKind::Postgres => apply_to_postgres(self, url).await,
            OutboxKind::Sqlite => apply_to_sqlite(self, url).await,
        }
    }
}

#[cfg(feature = "postgres")]
fn postgres_scripts(table: &str, role: &str) -> Result<(String, Option<String>), OutboxError> {
    use crate::source::postgres::{ddl, grants};
    use crate::store::postgres::PostgresStore;
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    if schema.is_empty() || name.is_empty() || name.contains('.') {
        return Err(OutboxError::Table(table.to_owned()));
    }
    let state = crate::store::postgres::DEFAULT_SCHEMA;
    let owner = format!("{}\n{}", ddl(schema, name), PostgresStore::owner_script(state));
    let relay = format!("{}\n{}", grants(schema, name, role), PostgresStore::grant_script(state, role));
    Ok((owner, Some(relay)))
}

#[cfg(not(feature = "postgres"))]
fn postgres_scripts(_table: &str, _role: &str) -> Result<(String, Option<String>), OutboxError> {
    Err(OutboxError::NotBuiltIn("postgres"))
}

#[cfg(feature = "sqlite")]
fn sqlite_script(table: &str) -> Result<String, OutboxError> {
    if table.is_empty() || table.contains('.') {
        return Err(OutboxError::Table(table.to_owned()));
    }
    Ok(crate::source::sqlite::ddl(table))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite_script(_table: &str) -> Result<String, OutboxError> {
    Err(OutboxError::NotBuiltIn("sqlite"))
}

#[cfg(feature = "postgres")]
async fn apply_to_postgres(scripts: &OutboxScripts, url: &str) -> Result<(), OutboxError> {
    use sqlx::{AssertSqlSafe, Connection as _};
    let run = async {
        let mut connection = sqlx::PgConnection::connect(url).await?;
        for script in std::iter::once(&scripts.owner).chain(&scripts.relay) {
            let mut transaction = connection.begin().await?;
            // The scripts are this program's own, and the names in them are quoted.
            sqlx::raw_sql(AssertSqlSafe(script.clone())).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        connection.close().await
    };
    run.await.map_err(OutboxError::Refused)
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "the other build awaits a server")]
async fn apply_to_postgres(_scripts: &OutboxScripts, _url: &str) -> Result<(), OutboxError> {
    Err(OutboxError::NotBuiltIn("postgres"))
}

#[cfg(feature = "sqlite")]
async fn apply_to_sqlite(scripts: &OutboxScripts, url: &str) -> Result<(), OutboxError> {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    let run = async {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await?;
        // No transaction around it: the journal mode can't change inside one.
        sqlx::raw_sql(AssertSqlSafe(scripts.owner.clone())).execute(&mut connection).await?;
        connection.close().await
    };
    run.await.map_err(OutboxError::Refused)
}

#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unused_async, reason = "the other build awaits a file")]
async fn apply_to_sqlite(_scripts: &OutboxScripts, _url: &str) -> Result<(), OutboxError> {
    Err(OutboxError::NotBuiltIn("sqlite"))
}
