//! Postgres by polling with a snapshot cursor.

mod config;

pub use config::PostgresSourceConfig;
