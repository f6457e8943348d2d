//! SQLite by polling.

mod config;

pub use config::SqliteSourceConfig;
