//! SQLite by polling: one writer at a time, so the order of an AUTOINCREMENT key is the order of commits.

mod config;
mod ddl;
mod failure;
mod find;
mod inspect;
mod newest;
mod rows;
mod source;

pub use config::SqliteSourceConfig;
pub use ddl::ddl;
pub use find::find;
pub use newest::newest;
pub use source::SqliteSource;
