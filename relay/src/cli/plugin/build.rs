//! `relay plugin build`

use std::path::PathBuf;

use clap::Args;

use super::failed;
use crate::cli::table::grouped;
use crate::cli::{Exit, Failure};
use crate::plugin::build::{Built, build_with_progress};

/// Compiles a plugin's crate and makes a component of it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  relay plugin build plugins/redact\n  relay plugin build plugins/redact --out /srv/plugins/redact.wasm"
)]
pub(in crate::cli) struct Arguments {
    /// The folder of the plugin's crate.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The component to write [default: DIR/NAME.wasm].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let built =
        build_with_progress(&arguments.folder, arguments.out.as_deref(), &mut |line| eprintln!("{line}"));
    print!("{}", screen(&built.map_err(failed)?));
    Ok(Exit::Done)
}

/// What was made, and which build it is.
fn screen(built: &Built) -> String {
    format!(
        "{} ({}, {} KB) in {:.1} s\n",
        built.component.display(),
        built.digest.get(..6).unwrap_or(&built.digest),
        grouped(built.size.div_ceil(1000)),
        built.duration.as_secs_f64()
    )
}
