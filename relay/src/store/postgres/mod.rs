//! Progress kept in postgres.
