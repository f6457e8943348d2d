//! What a history consists of.

use serde::{Deserialize, Serialize};

use crate::plugin::host::Digest;
use crate::plugin::port::now;
use crate::plugin::{Generation, PluginError};

/// One thing that happened to a plugin. Times are in microseconds since the Unix epoch, digests in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// A build runs from now on.
    Runs {
        /// When.
        at: u64,
        /// The build.
        digest: String,
        /// The version it gives itself.
        version: String,
        /// What it may use.
        permissions: Vec<String>,
        /// How it came to run.
        how: How,
        /// The build that it is compared with while it is on probation; `None`: it is trusted.
        trusted: Option<String>,
    },
    /// The build that runs passed its probation.
    Trusted {
        /// When.
        at: u64,
    },
    /// A build is refused from now on.
    Refused {
        /// When.
        at: u64,
        /// The build.
        digest: String,
        /// The code of the reason.
        code: String,
        /// The reason.
        why: String,
        /// The version of the relay that refused it.
        relay: String,
    },
    /// What was refused is refused no longer.
    Forgotten {
        /// When.
        at: u64,
    },
}

/// How a build came to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It lay in its place when the relay started.
    Started,
    /// It was swapped in while the relay ran.
    SwappedIn,
    /// The build after it did worse.
    RolledBack,
    /// An operator went back to it.
    RolledBackByHand,
}

impl Entry {
    /// `generation` runs from now on; `trusted` is what it is compared with on probation.
    #[must_use]
    pub fn runs(generation: &dyn Generation, how: How, trusted: Option<Digest>) -> Self {
        let identity = generation.identity();
        Self::Runs {
            at: now(),
            digest: identity.digest.clone(),
            version: identity.version.clone(),
            permissions: generation.permissions().names().map(str::to_owned).collect(),
            how,
            trusted: trusted.map(|it| it.to_string()),
        }
    }

    /// The build that runs is trusted from now on.
    #[must_use]
    pub fn trusted() -> Self {
        Self::Trusted { at: now() }
    }

    /// The build with `digest` is refused from now on.
    #[must_use]
    pub fn refused(digest: String, error: &PluginError) -> Self {
        let relay = env!("CARGO_PKG_VERSION").to_owned();
        Self::Refused { at: now(), digest, code: error.code.to_owned(), why: error.what.clone(), relay }
    }

    /// Nothing is refused from now on.
    #[must_use]
    pub fn forgotten() -> Self {
        Self::Forgotten { at: now() }
    }
}
