//! What an error of Postgres means.

use sqlx::Error;
use sqlx::postgres::PgDatabaseError;

use crate::store::StoreError;
use crate::store::fault::{Cause, store_error};

/// The store's error for the driver's.
pub(super) fn postgres_error(error: Error) -> StoreError {
    let (cause, what) = match &error {
        Error::Database(answer) => match answer.try_downcast_ref::<PgDatabaseError>() {
            Some(answer) => (cause_of(answer.code()), described(answer)),
            None => (Cause::Unreachable, "Postgres gave an answer that can't be read".to_owned()),
        },
        Error::PoolTimedOut => (Cause::Unreachable, "Postgres gave no connection in time".to_owned()),
        Error::Configuration(_) => (Cause::NoEntry, format!("the connection can't be made: {error}")),
        Error::ColumnDecode { .. } | Error::ColumnNotFound(_) | Error::Decode(_) => {
            (Cause::Unreadable, format!("a row of the relay's tables can't be read: {error}"))
        }
        Error::Encode(_) => (Cause::Rejected, format!("a value can't be sent to Postgres: {error}")),
        // The enum is open; whatever else there is (I/O, TLS, protocol, a closed pool) cut the conversation.
        _ => (Cause::Unreachable, "the connection to Postgres failed".to_owned()),
    };
    store_error(cause, what, Some(Box::new(error)))
}

/// The server's message; without it where it may quote a value (class 22, data).
fn described(answer: &PgDatabaseError) -> String {
    let code = answer.code();
    if code.starts_with("22") {
        format!("Postgres refuses a value (SQLSTATE {code})")
    } else {
        format!("Postgres says: {} (SQLSTATE {code})", answer.message())
    }
}

fn cause_of(code: &str) -> Cause {
    match code {
        // Undefined table, undefined column, no such schema, not enough privilege.
        "42P01" | "42703" | "3F000" | "42501" => Cause::NoTables,
        // No such database.
        "3D000" => Cause::NoEntry,
        // Lock not available, cancelled by a timeout, idled inside a transaction.
        "55P03" | "57014" | "25P03" => Cause::TooSlow,
        // A read-only transaction, none that may write (a standby, or a failover on its way), disk full.
        "25006" | "0A000" | "53100" => Cause::ReadOnly,
        _ => match code.get(..2) {
            // Invalid authorization.
            Some("28") => Cause::NoEntry,
            // Data, integrity, syntax or access rule: what we sent is wrong, and would be again.
            Some("22" | "23" | "42") => Cause::Rejected,
            // Connection, resources, operator intervention, serialization and the rest pass.
            _ => Cause::Unreachable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_told_from_what_an_operator_must_change() {
        for (code, cause) in [
            ("57P01", Cause::Unreachable),
            ("53300", Cause::Unreachable),
            ("40P01", Cause::Unreachable),
            ("57014", Cause::TooSlow),
            ("25006", Cause::ReadOnly),
            ("0A000", Cause::ReadOnly),
            ("28P01", Cause::NoEntry),
            ("42501", Cause::NoTables),
            ("22021", Cause::Rejected),
            ("23514", Cause::Rejected),
        ] {
            assert_eq!(cause_of(code), cause, "{code}");
        }
    }
}
