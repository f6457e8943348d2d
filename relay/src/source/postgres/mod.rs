//! Postgres by polling with a snapshot cursor: `docs/sources.md` says how it works and why.

mod config;
mod ddl;
mod failure;
mod flush;
mod inspect;
mod newest;
mod page;
mod place;
mod reader;
mod rewind;
mod rows;
mod script;
mod session;
mod snapshot;
mod source;
mod taken_back;

pub use config::PostgresSourceConfig;
pub use ddl::{ddl, grants};
pub use newest::newest;
pub use source::PostgresSource;
