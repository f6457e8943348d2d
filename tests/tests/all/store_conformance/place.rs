//! Where the stores of one test keep their data.

use std::sync::Arc;

use relay::store::Store;
use relay::store::memory::MemoryStore;
use relay::store::postgres::PostgresStore;
use relay::store::sqlite::SqliteStore;
use relay_tests::stack::shared_postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// Opens any number of stores on the same data, as relays that follow each other would.
pub(crate) enum Place {
    Memory(MemoryStore),
    Sqlite(TempDir),
    Postgres(String),
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryStore::default())
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // An empty file is an empty database.
        std::fs::File::create(folder.path().join("shop.db")).unwrap();
        let place = Self::Sqlite(folder);
        place.open().await.prepare().await.unwrap();
        place
    }

    pub(crate) async fn postgres() -> Self {
        let place = Self::Postgres(database().await);
        place.open().await.prepare().await.unwrap();
        place
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite(folder) => Arc::new(SqliteStore::open(folder.path().join("shop.db")).await.unwrap()),
            Self::Postgres(url) => Arc::new(PostgresStore::connect(url, "relay").await.unwrap()),
        }
    }

    /// Runs `sql` beside the store, as an operator would.
    pub(crate) async fn by_hand(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Memory(_) => panic!("memory has no SQL"),
            Self::Sqlite(folder) => {
                let url = format!("sqlite://{}", folder.path().join("shop.db").display());
                SqliteConnection::connect(&url).await.unwrap().execute(sqlx::raw_sql(sql)).await.unwrap();
            }
            Self::Postgres(url) => {
                PgConnection::connect(url).await.unwrap().execute(sqlx::raw_sql(sql)).await.unwrap();
            }
        }
    }
}

/// The URL of a new database.
pub(crate) async fn database() -> String {
    shared_postgres().await.unwrap().create_database("store").await.unwrap()
}
