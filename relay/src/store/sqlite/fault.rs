//! What an error of SQLite means.

use sqlx::Error;

use crate::store::StoreError;
use crate::store::fault::{Cause, store_error};

/// The store's error for the driver's.
pub(super) fn sqlite_error(error: Error) -> StoreError {
    let (cause, what) = match &error {
        Error::Database(answer) => {
            let code = answer.code().and_then(|code| code.parse().ok()).unwrap_or_default();
            // A missing table has no code of its own.
            let missing = answer.message().starts_with("no such table");
            let cause = if missing { Cause::NoTables } else { cause_of(code) };
            (cause, format!("SQLite says: {} (code {code})", answer.message()))
        }
        Error::PoolTimedOut => (Cause::TooSlow, "another call kept the SQLite file too long".to_owned()),
        Error::Configuration(_) => (Cause::NoEntry, format!("the SQLite file can't be opened: {error}")),
        Error::ColumnDecode { .. } | Error::ColumnNotFound(_) | Error::Decode(_) => {
            (Cause::Unreadable, format!("a row of the relay's tables can't be read: {error}"))
        }
        Error::Encode(_) => (Cause::Rejected, format!("a value can't be given to SQLite: {error}")),
        // The enum is open; whatever else there is ended the connection.
        _ => (Cause::Unreachable, "the connection to the SQLite file failed".to_owned()),
    };
    store_error(cause, what, Some(Box::new(error)))
}

/// By the primary code, the low byte of the extended one.
fn cause_of(code: i32) -> Cause {
    match code & 0xff {
        // Busy, locked.
        5 | 6 => Cause::TooSlow,
        // Read-only file, disk full.
        8 | 13 => Cause::ReadOnly,
        // Permission, can't open, authorization, not a database.
        3 | 14 | 23 | 26 => Cause::NoEntry,
        // Corrupt.
        11 => Cause::Unreadable,
        // Plain error (bad SQL), schema changed, too big, constraint, mismatch, misuse, range.
        1 | 17 | 18 | 19 | 20 | 21 | 25 => Cause::Rejected,
        // Out of memory, interrupted, I/O error and the rest pass, or show what they are when repeated.
        _ => Cause::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_told_from_what_an_operator_must_change() {
        // 517 is SQLITE_BUSY_SNAPSHOT, 2067 SQLITE_CONSTRAINT_UNIQUE, 10 SQLITE_IOERR.
        for (code, cause) in [
            (5, Cause::TooSlow),
            (517, Cause::TooSlow),
            (13, Cause::ReadOnly),
            (14, Cause::NoEntry),
            (11, Cause::Unreadable),
            (2067, Cause::Rejected),
            (10, Cause::Unreachable),
        ] {
            assert_eq!(cause_of(code), cause, "{code}");
        }
    }
}
