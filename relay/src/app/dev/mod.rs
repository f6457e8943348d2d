//! `relay dev`: builds plugins on every save, swaps them into a relay that runs, and shows what becomes of events.
//!
//! The relay is a process of its own and swaps by itself, as in production; this module watches sources, builds, and
//! runs the newest recorded events through the old and the new build side by side. A build that fails changes
//! nothing: the old one goes on.

mod author;
mod building;
mod children;
mod embedded;
mod files;
mod news;
mod process;
mod project;
mod replay;
mod session;
mod swap;
mod watched;

use std::path::PathBuf;

use super::AppError;
use crate::config::Config;

pub use news::{Differing, Fate, Live, News, Parts};
pub use session::dev;

/// What `relay dev` is asked for.
#[derive(Debug, Clone)]
pub struct DevOptions {
    /// What to work on.
    pub subject: Subject,
    /// How many recorded events go through each build.
    pub last: usize,
}

/// What to work on.
#[derive(Debug, Clone)]
pub enum Subject {
    /// One plugin's crate, with an SQLite outbox in a temporary folder that the events of its golden cases are written
    /// into again and again.
    Crate(PathBuf),
    /// A configuration: the plugins whose sources lie beside their components, and the outbox they read.
    Configuration {
        /// The file.
        file: PathBuf,
        /// What it says.
        config: Box<Config>,
    },
}

fn unusable(what: &str, error: &dyn std::error::Error) -> AppError {
    AppError::Refused {
        code: "C043",
        what: format!("relay dev can't use {what}: {error}"),
        remedy: "give it a writable temporary folder (TMPDIR) and loopback ports".to_owned(),
    }
}
