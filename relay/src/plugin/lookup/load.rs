//! From the settings of a table to its rows.

use std::path::Path;
use std::time::Duration;

use super::config::{FileFormatConfig, LookupConfig, OriginConfig};
use super::error::LookupError;
use super::file::RowFile;
use super::sql;
use crate::plugin::tables::Table;

/// How often a file that changes while it is read is read again before that counts as a failure.
const TRIES: usize = 5;

/// How long to wait for whoever writes it.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads the table that `config` names. Dropping it ends what a database was asked for.
pub(super) async fn load(config: &LookupConfig) -> Result<Table, LookupError> {
    match &config.origin {
        OriginConfig::File { path, format, key } => {
            read_file(path, *format, key.as_deref(), config.max).await
        }
        OriginConfig::Query { database, query, key } => sql::read(database, query, key, config.max).await,
        OriginConfig::Rows(rows) => {
            let mut table = Table::default();
            for (key, value) in rows {
                table
                    .insert(key, value.to_string().as_bytes(), config.max)
                    .map_err(|unfit| LookupError::unfit("its rows", unfit))?;
            }
            Ok(table)
        }
    }
}

/// [`load`] for a thread that may block. It may be one of a runtime's, so the work has a thread of its own.
pub(super) fn load_blocking(config: &LookupConfig) -> Result<Table, LookupError> {
    let own_runtime = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            LookupError::new(format!("it can't be read: {error}"), "see the system's limits")
        })?;
        runtime.block_on(load(config))
    };
    std::thread::scope(|scope| {
        let ended = || Err(LookupError::new("reading it failed by a bug of the relay", "report it"));
        scope.spawn(own_runtime).join().unwrap_or_else(|_| ended())
    })
}

async fn read_file(
    path: &Path,
    format: FileFormatConfig,
    key: Option<&str>,
    max: usize,
) -> Result<Table, LookupError> {
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let (path, key) = (path.to_owned(), key.map(str::to_owned));
        let read = move || RowFile { path: &path, format, key: key.as_deref(), max }.read();
        let read = tokio::task::spawn_blocking(read).await;
        let broken_off = |_| Err(LookupError::new("reading it was broken off", "see the log above"));
        if let Some(table) = read.unwrap_or_else(broken_off)? {
            return Ok(table);
        }
    }
    let what = format!("{} changes whenever it is read", path.display());
    Err(LookupError::new(what, "put new versions in its place by renaming"))
}
