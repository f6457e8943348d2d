//! Why a crate did not become a component.

use std::path::PathBuf;

/// Why a crate did not become a component: what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder holds no source of a plugin.
    #[error(
        "P150: {} holds no Cargo.toml, package.json or pyproject.toml; name the folder of a plugin's source",
        .dir.display()
    )]
    NoCrate {
        /// The folder.
        dir: PathBuf,
    },
    /// Cargo cannot read the crate.
    #[error("P151: cargo cannot read {}:\n{words}", .manifest.display())]
    Manifest {
        /// Its Cargo.toml.
        manifest: PathBuf,
        /// Cargo's own words.
        words: String,
    },
    /// The crate makes no WebAssembly module.
    #[error(
        "P152: {} makes no cdylib; add\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]", .manifest.display()
    )]
    NotCdylib {
        /// Its Cargo.toml.
        manifest: PathBuf,
    },
    /// Cargo is not there, or cannot start.
    #[error(
        "P153: cannot run {program:?}; install Rust from https://rustup.rs, or set CARGO to cargo's path"
    )]
    NoCargo {
        /// What was run.
        program: PathBuf,
        /// Why it did not start.
        #[source]
        source: std::io::Error,
    },
    /// The toolchain lacks the standard library for WebAssembly.
    #[error("P154: this Rust has no standard library for {target}; run: rustup target add {target}")]
    NoTarget {
        /// The target's name.
        target: &'static str,
    },
    /// The crate does not compile.
    #[error("P155: {} does not compile:\n{words}", .dir.display())]
    Compile {
        /// The crate's folder.
        dir: PathBuf,
        /// The compiler's own words.
        words: String,
    },
    /// It compiles, but is not a relay plugin.
    #[error(
        "P156: {package} is not a relay plugin: {what}; in Rust, implement `Plugin` and call `export!(…)`, both of \
         relay-plugin-sdk; in JavaScript, export `transform`; in Python, have a class `Transform`"
    )]
    NotPlugin {
        /// The package's name.
        package: String,
        /// What it exports or imports instead.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("P157: cannot {what} {}; check that the folder exists and may be written", .path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A program that the plugin's language needs is not there.
    #[error("P159: cannot run {program}; {remedy}")]
    NoTool {
        /// What was run.
        program: &'static str,
        /// What to install.
        remedy: &'static str,
        /// Why it did not start.
        #[source]
        source: std::io::Error,
    },
    /// What the plugin is built with could not be installed.
    #[error("P166: what {} is built with could not be installed; it needs the network this once:\n{words}", .dir.display())]
    Install {
        /// The plugin's folder.
        dir: PathBuf,
        /// The installer's own words.
        words: String,
    },
    /// The file that describes a plugin in another language than Rust is wrong.
    #[error("P167: {}: {what}", .path.display())]
    Project {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A file of golden cases is wrong.
    #[error("P158: {0}")]
    Cases(#[from] crate::plugin::golden::CaseError),
}

impl BuildError {
    /// Whether the next save of the plugin's source can mend it. The others ask for something else: a program to be
    /// installed, a folder that may be written.
    pub(crate) fn is_mended_by_a_save(&self) -> bool {
        match self {
            Self::Manifest { .. }
            | Self::NotCdylib { .. }
            | Self::Compile { .. }
            | Self::NotPlugin { .. }
            | Self::Project { .. }
            | Self::Install { .. }
            | Self::Cases(_) => true,
            Self::NoCrate { .. }
            | Self::NoCargo { .. }
            | Self::NoTarget { .. }
            | Self::File { .. }
            | Self::NoTool { .. } => false,
        }
    }

    /// The stable code that `relay explain` knows.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCrate { .. } => "P150",
            Self::Manifest { .. } => "P151",
            Self::NotCdylib { .. } => "P152",
            Self::NoCargo { .. } => "P153",
            Self::NoTarget { .. } => "P154",
            Self::Compile { .. } => "P155",
            Self::NotPlugin { .. } => "P156",
            Self::File { .. } => "P157",
            Self::Cases(_) => "P158",
            Self::NoTool { .. } => "P159",
            Self::Install { .. } => "P166",
            Self::Project { .. } => "P167",
        }
    }
}
