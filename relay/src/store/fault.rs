//! What goes wrong in a store, as its caller sees it: one code and one remedy for each cause.

use super::port::{LaneId, StoreError};

/// Why a store could not do what it was asked, whatever the database.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The tables were made by a newer relay.
    TooNew,
    /// The relay's tables are not there, or it may not create or use them.
    NoTables,
    /// The database does not let the relay in, or is not there under this name.
    NoEntry,
    /// The database does not answer.
    Unreachable,
    /// The answer took longer than the relay waits.
    TooSlow,
    /// The database can't write now.
    ReadOnly,
    /// What is stored can't be read.
    Unreadable,
    /// The database refuses what the relay wrote.
    Rejected,
}

/// The error for a lease that is over.
pub(super) fn lost(lane: &LaneId, term: i64) -> StoreError {
    StoreError::Lost { lane: lane.to_string(), term }
}

/// The error for a lane whose sink is divided into `found` parts already.
pub(super) fn divided(lane: &LaneId, found: i64) -> StoreError {
    StoreError::Refused {
        code: "T511",
        what: format!(
            "the keys of {} → {} are divided into {found} shards, and the configuration says {}",
            lane.pipeline, lane.sink, lane.shard.of
        ),
        remedy: format!("set `shards = {found}`; `relay explain T511` tells how to change it"),
    }
}

/// The error for `cause`; `what` says in which database and what it answered.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) fn store_error(
    cause: Cause,
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    let refused = |code, what, remedy: &str| StoreError::Refused { code, what, remedy: remedy.to_owned() };
    match cause {
        Cause::TooNew => refused("T502", what, "run the newer relay, or give this one a schema of its own"),
        Cause::NoTables => {
            refused("T503", what, "run the script that `relay init` prints as the owner of the database")
        }
        Cause::NoEntry => refused("T504", what, "correct the URL, the password or the file's permissions"),
        Cause::Unreachable => StoreError::Unavailable { code: "T505", what, cause: source },
        Cause::TooSlow => StoreError::Unavailable { code: "T506", what, cause: source },
        Cause::Unreadable => {
            refused("T507", what, "see `relay explain T507`; the row was changed by hand or by a newer relay")
        }
        Cause::ReadOnly => StoreError::Unavailable { code: "T508", what, cause: source },
        Cause::Rejected => refused("T509", what, "see `relay explain T509`"),
    }
}
