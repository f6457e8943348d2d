//! The script that makes an outbox table.

/// Creates the outbox table `table`. Safe to run again.
#[must_use]
pub fn ddl(table: &str) -> String {
    include_str!("ddl.sql").replace("{table}", &identifier(table))
}

/// `name` as a quoted identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
