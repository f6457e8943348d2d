//! The scripts that make an outbox table and let the relay read it.

use super::script::identifier;

/// The owner's script: creates the outbox table `schema.table` with its indexes. Safe to run again.
#[must_use]
pub fn ddl(schema: &str, table: &str) -> String {
    include_str!("ddl.sql")
        .replace("{schema}", &identifier(schema))
        .replace("{table}", &identifier(table))
        .replace("{txid_index}", &identifier(&format!("{table}_txid")))
}

/// The least that `role`, the one the relay logs in with, needs to read `schema.table`.
#[must_use]
pub fn grants(schema: &str, table: &str, role: &str) -> String {
    include_str!("grants.sql")
        .replace("{schema}", &identifier(schema))
        .replace("{table}", &identifier(table))
        .replace("{role}", &identifier(role))
}
