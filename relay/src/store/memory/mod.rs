//! Progress kept in memory: for tests and trials, gone with the process.

mod adapter;
mod lane;

pub use adapter::MemoryStore;
