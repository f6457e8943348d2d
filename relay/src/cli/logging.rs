//! Log lines on standard error: readable on a terminal, JSON otherwise.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::{Failure, style};

/// What is quiet unless the filter names it: these say thousands of lines per compiled plugin, or one per
/// connection.
const QUIET: &str = "wasmtime=warn,cranelift=warn,regalloc2=warn,hyper=warn,rustls=warn,async_nats=warn,rdkafka=warn,librdkafka=warn,sqlx=warn";

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

/// How to log.
#[derive(Debug, Args)]
pub struct LogArguments {
    /// The form of log lines on standard error.
    #[arg(long, value_enum, value_name = "FORM", default_value = "auto")]
    log_format: LogFormat,
    /// What to log: a level, or levels by module as in `info,relay::pipeline=debug`.
    #[arg(long, value_name = "FILTER", env = "RELAY_LOG", default_value = "info")]
    log: String,
}

impl LogArguments {
    /// Starts logging.
    ///
    /// # Errors
    /// When the filter can't be read.
    pub fn start(&self) -> Result<(), Failure> {
        init(self.log_format, &self.log).map_err(|error| {
            let what = format!("{:?} is not a log filter: {error}", self.log);
            Failure::usage(what, "use a level (error, warn, info, debug, trace) in --log or RELAY_LOG")
        })
    }
}

/// Starts logging in `format`, filtered by `filter`. A second call changes nothing.
///
/// # Errors
/// When the filter can't be read.
pub fn init(format: LogFormat, filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))?;
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let as_json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    // Failing means that a subscriber is there already, which then goes on.
    let _ = if as_json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(terminal && style::wanted()).with_target(false).try_init()
    };
    Ok(())
}
