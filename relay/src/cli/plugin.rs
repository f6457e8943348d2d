//! `relay plugin`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Exit, Failure};

/// Make plugins.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compile a plugin's crate and make a component of it.
    Build(BuildArguments),
}

/// Compiles a plugin's crate and makes a component of it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  relay plugin build plugins/redact\n  relay plugin build plugins/redact --out /srv/plugins/redact.wasm")]
pub(super) struct BuildArguments {
    /// The folder of the plugin's crate.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The component to write; by default NAME.wasm in the folder that DIR is in.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}
