//! Opens the store beside each source: progress is kept in the source's own database.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::AppError;
use crate::config::{Config, SourceAdapter};
use crate::store::Store;
#[cfg(feature = "postgres")]
use crate::store::postgres::DEFAULT_SCHEMA;

/// The store of each source, by the source's name. Sources that share a database share its store.
///
/// # Errors
/// When one can't be opened.
pub async fn open_stores(config: &Config) -> Result<Vec<(String, Arc<dyn Store>)>, AppError> {
    let mut stores: Vec<(String, Arc<dyn Store>)> = Vec::with_capacity(config.sources.len());
    let mut open: BTreeMap<String, Arc<dyn Store>> = BTreeMap::new();
    for (name, source) in &config.sources {
        let database = database(&source.adapter);
        let store = match open.get(&database) {
            Some(store) => Arc::clone(store),
            None => open_store(&source.adapter).await?,
        };
        open.insert(database, Arc::clone(&store));
        stores.push((name.clone(), store));
    }
    Ok(stores)
}

/// What tells databases apart.
fn database(source: &SourceAdapter) -> String {
    match source {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => config.url.clone(),
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => config.path.display().to_string(),
    }
}

async fn open_store(source: &SourceAdapter) -> Result<Arc<dyn Store>, AppError> {
    Ok(match source {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => {
            Arc::new(crate::store::postgres::PostgresStore::connect(&config.url, DEFAULT_SCHEMA).await?)
        }
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => {
            Arc::new(crate::store::sqlite::SqliteStore::open(&config.path).await?)
        }
    })
}
