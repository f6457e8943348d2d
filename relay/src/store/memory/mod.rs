//! Progress kept in memory.
