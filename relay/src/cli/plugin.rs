//! `relay plugin`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::table::grouped;
use super::{Exit, Failure};
use crate::plugin::build::{BuildError, Built, build_with_progress};

/// Make plugins.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compile a plugin's crate and make a component of it.
    Build(BuildArguments),
    /// Compile the component on standard input for a relay: the relay starts this itself.
    #[command(hide = true)]
    Compile,
}

/// Compiles a plugin's crate and makes a component of it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  relay plugin build plugins/redact\n  relay plugin build plugins/redact --out /srv/plugins/redact.wasm"
)]
pub(super) struct BuildArguments {
    /// The folder of the plugin's crate.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The component to write [default: DIR/NAME.wasm].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    let arguments = match command {
        Command::Build(arguments) => arguments,
        Command::Compile => return Ok(super::plugin_compile::run()),
    };
    let built =
        build_with_progress(&arguments.folder, arguments.out.as_deref(), &mut |line| eprintln!("{line}"));
    print!("{}", screen(&built.map_err(failed)?));
    Ok(Exit::Done)
}

/// What was made, and which build it is.
pub(super) fn screen(built: &Built) -> String {
    format!(
        "{} ({}, {} KB) in {:.1} s\n",
        built.component.display(),
        built.digest.get(..6).unwrap_or(&built.digest),
        grouped(built.size.div_ceil(1000)),
        built.duration.as_secs_f64()
    )
}

pub(super) fn failed(error: BuildError) -> Failure {
    let code = error.code();
    let words = error.to_string();
    // The screen shows the code once, in its own place.
    let what = words.strip_prefix(code).and_then(|it| it.strip_prefix(": ")).unwrap_or(&words).to_owned();
    Failure::coded(Exit::Failed, code, what, "").because(&error)
}
