//! Settings of a lookup table.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of one lookup table, already validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupConfig {
    /// The name in the configuration; plugins call it by that.
    pub name: String,
    /// Where its rows come from.
    pub origin: OriginConfig,
    /// Bytes of memory that it may take; while it is read again there are two versions of it.
    pub max: usize,
    /// How long after one reading the next begins.
    pub refresh: Duration,
}

/// Where the rows of a table come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginConfig {
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// What is in it.
        format: FileFormatConfig,
        /// The column whose values are the keys; `None`: a JSON object, whose names are.
        key: Option<String>,
    },
    /// The rows of a query.
    Query {
        /// The database that is asked.
        database: DatabaseConfig,
        /// One statement that answers rows.
        query: String,
        /// The column whose values are the keys.
        key: String,
    },
    /// These rows: what cases name in the place of a configured table.
    Rows(BTreeMap<String, serde_json::Value>),
}

/// What is in a file of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormatConfig {
    /// Lines of values behind a line of names.
    Csv,
    /// One JSON value: a list of objects, or an object of values by key.
    Json,
    /// One JSON object a line.
    Ndjson,
}

/// A database that is asked for rows.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseConfig {
    /// The URL of a Postgres database; may hold a password.
    Postgres(String),
    /// The file of an SQLite database.
    Sqlite(PathBuf),
}

impl fmt::Debug for DatabaseConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres(_) => "Postgres(…)",
            Self::Sqlite(_) => "Sqlite(…)",
        })
    }
}
