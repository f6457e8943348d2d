//! What an error of the driver means: classified once, here.

use crate::source::SourceError;

/// The file is not there or can't be opened.
pub(super) const FILE: &str = "D321";
/// The table does not exist.
pub(super) const NO_TABLE: &str = "D322";
/// A column is missing.
pub(super) const COLUMNS: &str = "D323";
/// Sequences of deleted rows would be given out again.
pub(super) const REUSED: &str = "D324";
/// The position lies beyond everything the database ever held.
pub(super) const REPLACED: &str = "D325";
/// The file is locked or the disk does not answer.
pub(super) const BUSY: &str = "D326";
/// The position can't be read.
pub(super) const POSITION: &str = "D327";
/// SQLite answered with an error that has no page of its own.
pub(super) const UNEXPECTED: &str = "D328";

/// SQLite's primary result codes; an extended code holds one in its low byte.
const SQLITE_CODES_THAT_PASS: [i32; 5] = [5, 6, 10, 13, 17];
const SQLITE_CODES_OF_THE_FILE: [i32; 5] = [3, 8, 11, 14, 26];

/// An error that an operator has to mend.
pub(super) fn refused(code: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> SourceError {
    SourceError::Refused { code, what: what.into(), remedy: remedy.into() }
}

/// What `error`, met while `doing`, means for the source.
pub(super) fn classify(doing: &'static str, error: sqlx::Error) -> SourceError {
    let result = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    let what = format!("SQLite said while {doing}: {error}");
    match result.map(|code| code & 0xFF) {
        Some(code) if SQLITE_CODES_THAT_PASS.contains(&code) => unavailable(what, error),
        Some(code) if SQLITE_CODES_OF_THE_FILE.contains(&code) => refused(
            FILE,
            what,
            "check the path, the permissions of file and folder, and the file with PRAGMA integrity_check",
        ),
        Some(_) => refused(UNEXPECTED, what, "compare the table with the script of `relay init`"),
        // No result code: the driver's worker thread ended, or the file system failed.
        None => unavailable(what, error),
    }
}

fn unavailable(what: String, cause: sqlx::Error) -> SourceError {
    SourceError::Unavailable { code: BUSY, what, cause: Some(Box::new(cause)) }
}
