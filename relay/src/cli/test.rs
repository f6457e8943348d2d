//! `relay test`

use std::path::PathBuf;

use clap::Args;

use super::config_file::ConfigFile;
use super::plugin::cases;
use super::{Exit, Failure};
use crate::app;
use crate::plugin::golden::Suite;

const EXAMPLES: &str = "\
Examples:
  relay test                       run tests/*.toml through the pipelines of relay.toml
  relay test --update              take what comes out as right, and write it into the files
  relay test tests/orders.toml --config staging.toml --junit report.xml

A file names a pipeline and holds golden cases: an event, and the messages that each sink gets. Components, grants,
routes and limits are those of the configuration; no server is dialled. relay/docs/plugin-testing.md lists every key.";

/// Runs golden cases through whole pipelines: real components, grants and routes, and no server.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The cases: a file, or a folder of them.
    #[arg(value_name = "PATH", default_value = "tests")]
    cases: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    output: cases::OutputArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let config = arguments.file.load()?;
    let suites = Suite::load(&arguments.cases).map_err(cases::wrong)?;
    let results = app::pipeline_cases(&config, &suites)?;
    cases::report("pipelines", &results, &arguments.output)
}
