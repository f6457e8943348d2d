//! Postgres by polling with a snapshot cursor: `docs/sources.md` says how it works and why.

mod backlog;
mod config;
mod ddl;
mod failure;
mod find;
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

pub use backlog::backlogs;
pub use config::PostgresSourceConfig;
pub use ddl::{ddl, grants};
pub use find::find;
pub use newest::newest;
pub use source::PostgresSource;
