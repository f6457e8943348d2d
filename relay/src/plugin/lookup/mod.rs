//! Lookup tables: read from a file or a database, and read again while the relay runs.

mod config;
mod csv;
mod error;
mod file;
mod live;
mod load;
mod lookups;
mod sql;
mod trial;

#[cfg(test)]
mod tests;

pub use config::{DatabaseConfig, FileFormatConfig, LookupConfig, OriginConfig};
pub(in crate::plugin) use error::LookupError;
pub(in crate::plugin) use live::Lookup;
pub use lookups::Lookups;
