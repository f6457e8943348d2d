//! What can go wrong with the test stack itself.

use std::path::PathBuf;
use std::time::Duration;

/// A server of the test stack could not be started, reached or controlled.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A program or library that the stack needs is not installed.
    #[error("{what} is not at {path:?}: run ./tests/run --setup")]
    NotInstalled {
        /// What is missing.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A server ended or stayed silent instead of becoming ready.
    #[error("{server} did not become ready: {reason}; its last lines:\n{log}")]
    NotReady {
        /// Which server.
        server: &'static str,
        /// Ended, or out of time.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// A command that prepares a server failed.
    #[error("{command} failed with {status}:\n{output}")]
    Command {
        /// The program.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote.
        output: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {limit:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// No free port was found.
    #[error("no free port was found between {0} and {1}")]
    NoFreePort(u16, u16),
    /// The file system or a process refused.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// A client library reported an error from a server.
    #[error("{doing}")]
    Client {
        /// What was being done.
        doing: String,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StackError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| Self::Io { doing: doing.into(), cause }
    }

    pub(crate) fn client<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |cause| Self::Client { doing: doing.into(), cause: cause.into() }
    }
}
