//! Progress kept in sqlite.
