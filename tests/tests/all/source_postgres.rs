//! The snapshot cursor against a real Postgres.
