//! Why a relay can't run.

use crate::plugin::host::HostError;
use crate::plugin::reload::PluginErrors;
use crate::plugin::{PluginError, build::BuildError};
use crate::source::SourceError;
use crate::store::StoreError;

/// Why a relay can't run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One or more plugins.
    #[error(transparent)]
    Plugins(#[from] PluginErrors),
    /// The plugin host itself.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Metrics and health.
    #[error(transparent)]
    Admin(#[from] crate::admin::AdminError),
    /// A plugin's source could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Anything else that an operator has to change.
    #[error("{code}: {what}; {remedy}")]
    Refused {
        /// Stable code.
        code: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// What the relay showed is not what it promises.
    #[error("{0}")]
    Disproved(String),
}

impl From<PluginError> for AppError {
    fn from(error: PluginError) -> Self {
        Self::Plugins(PluginErrors(vec![error]))
    }
}
