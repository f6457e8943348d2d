//! Why no plugin was begun.

use std::path::PathBuf;

/// Why no plugin was begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Not the name of a crate.
    #[error(
        "P170: {name:?} can't be the name of a plugin; use lowercase letters, digits and '-', with a letter first, \
         and none of Rust's own words"
    )]
    Name {
        /// What was asked for.
        name: String,
    },
    /// Something is there already.
    #[error("P171: {} is there already and not empty; name another folder", .dir.display())]
    Taken {
        /// The folder.
        dir: PathBuf,
    },
    /// A file can't be written.
    #[error("P157: cannot write {}; check that the folder may be written", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An SDK was named for another language.
    #[error("P172: {} is an SDK for Rust; leave --sdk out", .path.display())]
    OnlyForRust {
        /// What was named.
        path: PathBuf,
    },
    /// No SDK is where one was named.
    #[error("P172: {} is not the folder of relay-plugin-sdk; name the one that holds its Cargo.toml", .path.display())]
    NoSdk {
        /// What was named.
        path: PathBuf,
    },
}

impl TemplateError {
    /// The stable code that `relay explain` knows.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "P170",
            Self::Taken { .. } => "P171",
            Self::File { .. } => "P157",
            Self::NoSdk { .. } | Self::OnlyForRust { .. } => "P172",
        }
    }
}
