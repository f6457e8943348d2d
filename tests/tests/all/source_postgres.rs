//! The Postgres source against a real server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod cost;
mod durability;
mod fixture;
mod history;
mod reading;
mod refusals;

mod wrong_readers;
