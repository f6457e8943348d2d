//! What became of each plugin's builds, for screens and the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::plugin::{Identity, PluginError};

/// The state of every plugin by its name in the configuration.
#[derive(Debug, Clone, Default)]
pub struct ReloadStatus {
    /// By name.
    pub plugins: BTreeMap<String, PluginStatus>,
}

/// The state of one plugin.
#[derive(Debug, Clone)]
pub struct PluginStatus {
    /// The build that lanes get.
    pub identity: Identity,
    /// Since when they get it.
    pub since: SystemTime,
    /// How many times it was swapped while this relay ran.
    pub swaps: u64,
    /// How many times it went back to the build before.
    pub rollbacks: u64,
    /// Whether the build has still to prove itself.
    pub on_probation: bool,
    /// What lies in its place and was refused; `None`: the build that runs.
    pub refused: Option<RefusedBuild>,
}

/// A build that was refused while the old one went on.
#[derive(Debug, Clone)]
pub struct RefusedBuild {
    /// The refused build's digest in hexadecimal; `None` where the file could not even be read.
    pub digest: Option<String>,
    /// Which step refused it, and why.
    pub error: Arc<PluginError>,
    /// When.
    pub at: SystemTime,
}

impl RefusedBuild {
    pub(super) fn now(digest: Option<String>, error: Arc<PluginError>) -> Self {
        Self { digest, error, at: SystemTime::now() }
    }
}
