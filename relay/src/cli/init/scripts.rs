//! The SQL that an outbox needs.

use super::SourceType;
use crate::cli::{Exit, Failure};

/// The SQL that an outbox needs.
pub(super) struct Scripts {
    /// For the owner of the database: makes the outbox.
    owner: String,
    /// Gives the relay's role what it needs; a file has no roles.
    relay: Option<String>,
}

impl Scripts {
    pub(super) fn of(source: SourceType, table: &str, role: &str) -> Result<Self, Failure> {
        match source {
            #[cfg(feature = "postgres")]
            SourceType::Postgres => {
                let (schema, table) = split(table)?;
                let owner = crate::source::postgres::ddl(schema, table);
                let relay = Some(crate::source::postgres::grants(schema, table, role));
                Ok(Self { owner, relay })
            }
            #[cfg(feature = "sqlite")]
            SourceType::Sqlite => Ok(Self { owner: sqlite_ddl(table), relay: None }),
            #[cfg(not(all(feature = "postgres", feature = "sqlite")))]
            _ => Err(not_built_in()),
        }
    }

    /// Both scripts, each saying whose it is.
    pub(super) fn screen(&self) -> String {
        let owner = format!("-- 1. As the owner of the database.\n{}\n", self.owner.trim_end());
        match &self.relay {
            None => owner,
            Some(relay) => format!(
                "{owner}\n-- 2. As the owner too: what the relay's role may do.\n{}\n",
                relay.trim_end()
            ),
        }
    }

    /// Runs both, each in a transaction of its own.
    pub(super) async fn apply(&self, source: SourceType, url: &str) -> Result<(), Failure> {
        match source {
            #[cfg(feature = "postgres")]
            SourceType::Postgres => self.apply_to_postgres(url).await.map_err(refused),
            #[cfg(feature = "sqlite")]
            SourceType::Sqlite => self.apply_to_sqlite(url).await.map_err(refused),
            #[cfg(not(all(feature = "postgres", feature = "sqlite")))]
            _ => Err(not_built_in()),
        }
    }

    #[cfg(feature = "postgres")]
    async fn apply_to_postgres(&self, url: &str) -> Result<(), sqlx::Error> {
        use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
        let mut connection = sqlx::PgConnection::connect(url).await?;
        for script in std::iter::once(&self.owner).chain(&self.relay) {
            let mut transaction = connection.begin().await?;
            // The script is this program's own, and the names in it are quoted.
            transaction.execute(sqlx::raw_sql(AssertSqlSafe(script.clone()))).await?;
            transaction.commit().await?;
        }
        connection.close().await
    }

    #[cfg(feature = "sqlite")]
    async fn apply_to_sqlite(&self, url: &str) -> Result<(), sqlx::Error> {
        use sqlx::sqlite::SqliteConnectOptions;
        use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
        let path = url.strip_prefix("sqlite:").unwrap_or(url);
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(self.owner.clone()))).await?;
        connection.close().await
    }
}

#[cfg(feature = "postgres")]
fn split(table: &str) -> Result<(&str, &str), Failure> {
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    if schema.is_empty() || name.is_empty() || name.contains('.') {
        let what = format!("{table:?} is not the name of a table");
        return Err(Failure::usage(what, "use --table TABLE or --table SCHEMA.TABLE"));
    }
    Ok((schema, name))
}

fn refused(error: sqlx::Error) -> Failure {
    Failure::coded(Exit::Environment, "C044", format!("the SQL could not be run: {error}"), "")
}

#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
fn not_built_in() -> Failure {
    Failure::coded(Exit::Failed, "C014", "this relay is built without that source type".to_owned(), "")
}

#[cfg(feature = "sqlite")]
fn sqlite_ddl(table: &str) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    include_str!("sqlite.sql").replace("{table}", &quoted(table))
}
