//! The Postgres source against a real server.

mod fixture;
mod reading;
