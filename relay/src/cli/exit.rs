//! How the process ends: part of the contract with scripts and supervisors, and in `relay --help`.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It ran and failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// Something outside is not as needed: a server, a grant, a schema.
    Environment = 4,
    /// Ownership lost to another relay.
    OwnershipLost = 5,
    /// Ended by a second SIGINT.
    Interrupted = 130,
    /// Ended by a second SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
