//! Opens the store beside each source: progress is kept in the source's own database.

use std::sync::Arc;

use super::AppError;
use crate::config::{Config, SourceAdapter};
use crate::store::Store;
#[cfg(feature = "postgres")]
use crate::store::postgres::DEFAULT_SCHEMA;

/// The store of each source, by the source's name.
///
/// # Errors
/// When one can't be opened.
pub async fn open_stores(config: &Config) -> Result<Vec<(String, Arc<dyn Store>)>, AppError> {
    let mut stores: Vec<(String, Arc<dyn Store>)> = Vec::with_capacity(config.sources.len());
    for (name, source) in &config.sources {
        let store: Arc<dyn Store> = match &source.adapter {
            #[cfg(feature = "postgres")]
            SourceAdapter::Postgres(config) => {
                Arc::new(crate::store::postgres::PostgresStore::connect(&config.url, DEFAULT_SCHEMA).await?)
            }
            #[cfg(feature = "sqlite")]
            SourceAdapter::Sqlite(config) => {
                Arc::new(crate::store::sqlite::SqliteStore::open(&config.path).await?)
            }
        };
        stores.push((name.clone(), store));
    }
    Ok(stores)
}
