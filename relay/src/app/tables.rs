//! The lookup tables of a configuration, before a relay needs them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Config;
use crate::plugin::lookup::OriginConfig;

/// What was found of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriedTable {
    /// Its file reads as a table.
    Rows {
        /// The file.
        file: PathBuf,
        /// Its rows.
        rows: usize,
    },
    /// Its file does not; a relay does not start (`P140`). What is wrong and what to do.
    Unreadable(String),
    /// Its rows come from a database, which is not asked.
    NotTried,
}

/// The tables that the plugins of pipelines may read, each once by its name. Reads their files, and dials nothing. Blocks
/// its thread.
#[must_use]
pub fn try_tables(config: &Config) -> BTreeMap<String, TriedTable> {
    let mut tried = BTreeMap::new();
    for table in config.used_plugins().flat_map(|it| &it.plugin.lookups) {
        tried.entry(table.name.clone()).or_insert_with(|| match (&table.origin, table.try_file()) {
            (OriginConfig::File { path, .. }, Some(Ok(rows))) => {
                TriedTable::Rows { file: path.clone(), rows }
            }
            (_, Some(Err(why))) => TriedTable::Unreadable(why),
            (_, _) => TriedTable::NotTried,
        });
    }
    tried
}
