//! Progress kept in Postgres: a schema of its own, by default in the source's database.
//!
//! Everything is safe behind PgBouncer in transaction mode: each call is one explicit transaction that sets
//! what it needs with `SET LOCAL`, and no statement has a name that outlives it.

mod adapter;
mod fault;
mod lane;
mod letters;
mod requests;
mod schema;
mod session;
mod settle;

pub use adapter::PostgresStore;

/// The schema of the relay's tables where none is configured.
pub const DEFAULT_SCHEMA: &str = "relay";
