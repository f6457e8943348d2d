//! `relay plugin test`

use clap::Args;

use super::cases;
use super::place::SubjectArguments;
use crate::cli::logging::{self, LogFormat};
use crate::cli::{Exit, Failure};
use crate::plugin::golden;

const EXAMPLES: &str = "\
Examples:
  relay plugin test                            build the crate in this folder and run its cases/*.toml
  relay plugin test plugins/hello --update     take what comes out as right, and write it into the files
  relay plugin test hello.wasm                 run the cases that the component carries
  relay plugin test plugins/hello --junit report.xml

A case is an event and what becomes of it. Each runs alone on a fresh instance, and again behind the others of its
file: the same event must get the same answer. relay/docs/plugin-testing.md lists every key.";

/// What the log of the guest shows: what it says, and nothing of the relay's own.
const LOG: &str = "off,relay::plugin::guest=info";

/// Runs a plugin's golden cases against its component, under the limits of production.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    output: cases::OutputArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    // Nothing here depends on a log, and the filter is a constant.
    let _ = logging::init(LogFormat::Text, LOG);
    let subject = arguments.subject.read()?;
    let results =
        golden::run_with_defaults(&subject.name, &subject.bytes, &subject.suites, golden::standard_cache())?;
    cases::report(&subject.name, &results, &arguments.output)
}
