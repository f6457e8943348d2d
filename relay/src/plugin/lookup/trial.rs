//! Reads a table's file without a relay.

use super::config::{LookupConfig, OriginConfig};
use super::load::load_blocking;

impl LookupConfig {
    /// Reads the table's file once, as a relay does at its start, and keeps nothing of it: how many rows it has, or what is
    /// wrong and what to do, of which a relay says `P140`. `None` where the rows come from elsewhere: nothing is dialled.
    /// Blocks its thread; takes the memory that the table would.
    #[must_use]
    pub fn try_file(&self) -> Option<Result<usize, String>> {
        let OriginConfig::File { .. } = self.origin else { return None };
        Some(load_blocking(self).map(|table| table.rows()).map_err(|error| error.to_string()))
    }
}
