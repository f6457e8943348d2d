//! `relay plugin`

mod ask;
mod bench;
mod build;
pub(super) mod cases;
pub(super) mod difference;
mod history;
mod inspect;
mod junit;
mod new;
mod place;
mod record;
mod reload;
mod rollback;
mod test;
#[cfg(test)]
mod tests;

use clap::Subcommand;

use super::{Exit, Failure};
use crate::app::CompileOptions;
use crate::plugin::build::BuildError;

/// Make plugins, look at them, and exchange them in a running relay.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Begin a plugin: a folder that compiles, passes its own tests and explains itself.
    New(new::Arguments),
    /// Compile a plugin's crate and make a component of it.
    Build(build::Arguments),
    /// Say what a component is, what it may use and which settings it takes.
    Inspect(inspect::Arguments),
    /// Run a plugin's golden cases against its component, under the limits of production.
    Test(test::Arguments),
    /// Write the newest events of an outbox into a file of golden cases.
    Record(record::Arguments),
    /// Measure what a plugin costs over its golden cases, against its limits.
    Bench(bench::Arguments),
    /// Have a running relay read a plugin's configuration and component again.
    Reload(reload::Arguments),
    /// Have a running relay go back to an earlier build of a plugin.
    Rollback(rollback::Arguments),
    /// Show which builds of a plugin ran in a running relay, and why each was left or refused.
    History(history::Arguments),
    /// Compile the component on standard input for a relay: the relay starts this itself.
    #[command(hide = true)]
    Compile {
        /// For a relay that shows places in the sources of plugins.
        #[arg(long)]
        source_lines: bool,
        /// Let events go first.
        #[arg(long)]
        behind_lanes: bool,
    },
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::New(arguments) => new::run(arguments),
        Command::Build(arguments) => build::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Record(arguments) => record::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Reload(arguments) => reload::run(arguments),
        Command::Rollback(arguments) => rollback::run(arguments),
        Command::History(arguments) => history::run(arguments),
        Command::Compile { source_lines, behind_lanes } => {
            let (source_lines, behind_lanes) = (*source_lines, *behind_lanes);
            Ok(super::plugin_compile::run(CompileOptions { source_lines, behind_lanes }))
        }
    }
}

pub(super) fn failed(error: BuildError) -> Failure {
    let code = error.code();
    let words = error.to_string();
    // The screen shows the code once, in its own place.
    let what = words.strip_prefix(code).and_then(|it| it.strip_prefix(": ")).unwrap_or(&words).to_owned();
    Failure::coded(Exit::Failed, code, what, "").because(&error)
}
