//! Progress kept in SQLite: tables of its own, prefixed `relay_`, in the application's database file.
//!
//! The application writes the same file at the same time, and SQLite has one writer. Every transaction here
//! that writes takes the write lock with its first statement (`BEGIN IMMEDIATE`): one that reads first and
//! writes later would fail at once when the application wrote in between, without waiting.

mod adapter;
mod fault;
mod lane;
mod letters;
mod requests;
mod schema;
mod session;
mod settle;

pub use adapter::SqliteStore;
