//! What an error of the driver means: classified once, here.

use crate::source::SourceError;

/// The database does not answer or dropped the connection.
pub(super) const UNREACHABLE: &str = "D301";
/// A statement took longer than it may.
pub(super) const TOO_SLOW: &str = "D302";
/// The login or the database name is wrong.
pub(super) const LOGIN: &str = "D303";
/// The table does not exist.
pub(super) const NO_TABLE: &str = "D304";
/// A column is missing or of a type that can't serve.
pub(super) const COLUMNS: &str = "D305";
/// The relay's role may not do what it needs.
pub(super) const PRIVILEGE: &str = "D306";
/// The relation is of a kind that can't be an outbox.
pub(super) const KIND: &str = "D307";
/// An index is missing.
pub(super) const INDEX: &str = "D308";
/// The server is too old.
pub(super) const VERSION: &str = "D309";
/// The server is a standby.
pub(super) const STANDBY: &str = "D310";
/// The position belongs to another cluster.
pub(super) const OTHER_CLUSTER: &str = "D311";
/// The position can't be read.
pub(super) const POSITION: &str = "D312";
/// Rows carry transaction ids that this cluster has not given out.
pub(super) const FUTURE: &str = "D313";
/// The server changed its timeline under an open source.
pub(super) const SWITCHED: &str = "D314";
/// The position was rewound after a failover. Logged; not an error.
pub(super) const REWOUND: &str = "D315";
/// A row holds a value that no event can have.
pub(super) const ROW: &str = "D316";
/// The database answered with an error that has no page of its own.
pub(super) const UNEXPECTED: &str = "D317";

/// An error that an operator has to mend.
pub(super) fn refused(code: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> SourceError {
    SourceError::Refused { code, what: what.into(), remedy: remedy.into() }
}

/// An error that goes away by itself.
pub(super) fn unavailable(code: &'static str, what: impl Into<String>) -> SourceError {
    SourceError::Unavailable { code, what: what.into(), cause: None }
}

/// What `error`, met while `doing`, means for the source.
pub(super) fn classify(doing: &'static str, error: sqlx::Error) -> SourceError {
    use sqlx::Error::{Configuration, Database, Tls};
    match error {
        Database(ref answer) => {
            let state = answer.code().unwrap_or_default().into_owned();
            let said = answer.message().to_owned();
            by_state(doing, &state, said, error)
        }
        Configuration(_) => refused(
            LOGIN,
            "the connection URL of the outbox can't be read",
            "write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        ),
        Tls(_) => with_cause(UNREACHABLE, format!("TLS failed while {doing}"), error),
        // The driver's enum is open. What is left is broken connections and broken answers, and both are
        // mended by a new connection.
        _ => with_cause(UNREACHABLE, format!("the connection broke while {doing}: {error}"), error),
    }
}

fn with_cause(code: &'static str, what: String, cause: sqlx::Error) -> SourceError {
    SourceError::Unavailable { code, what, cause: Some(Box::new(cause)) }
}

fn by_state(doing: &'static str, state: &str, said: String, error: sqlx::Error) -> SourceError {
    let what = format!("the database said while {doing}: {said} (SQLSTATE {state})");
    match (state, state.get(..2).unwrap_or_default()) {
        ("57014" | "55P03", _) => with_cause(TOO_SLOW, what, error),
        ("28P01" | "28000" | "3D000", _) => refused(
            LOGIN,
            what,
            "correct user, password and database in the URL, or the server's pg_hba.conf",
        ),
        ("42501", _) => {
            refused(PRIVILEGE, what, "run the grants that `relay init` prints for the relay's role")
        }
        ("42P01" | "3F000", _) => refused(NO_TABLE, what, "create the table with the script of `relay init`"),
        ("42703", _) => refused(COLUMNS, what, "add the column, or name the right one under `columns`"),
        ("55000", _) if said.contains("recovery") => standby(),
        // Connection, resources, the operator's intervention (restart), system and transaction rollback.
        (_, "08" | "53" | "57" | "58" | "40" | "25" | "XX") => with_cause(UNREACHABLE, what, error),
        _ => refused(UNEXPECTED, what, "see the server's log; this statement is the relay's own"),
    }
}

/// Polling a standby would lose rows.
pub(super) fn standby() -> SourceError {
    refused(
        STANDBY,
        "the server is a standby, and a standby's snapshot does not list the transactions that still run, \
         so rows would be lost",
        "point the URL at the primary, for example with a host list and target_session_attrs handled by your \
         proxy",
    )
}

/// What `error` means where the database was read before: a standby there is a failover on its way, and passes.
pub(super) fn in_a_failover(error: SourceError) -> SourceError {
    match error {
        SourceError::Refused { code: STANDBY, what, .. } => {
            unavailable(STANDBY, format!("{what}; waiting for its promotion, or for the primary"))
        }
        other => other,
    }
}
