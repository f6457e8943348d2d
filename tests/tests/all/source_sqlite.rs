//! The SQLite source against real files.
