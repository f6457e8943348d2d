//! Commands, one file each; what they share is how they end and how they look.

mod admin_server;
mod check;
mod config_file;
mod dead;
mod demo;
#[cfg(feature = "sqlite")]
mod dev;
mod diagnostics;
mod exit;
mod explain;
mod failure;
mod init;
pub mod logging;
mod plugin;
mod plugin_compile;
mod run;
mod status;
mod stores;
mod style;
mod table;
mod tap;
mod test;
#[cfg(test)]
mod tests;
mod time;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;
pub use failure::Failure;

/// What stands at the end of `relay --help`.
const AFTER_HELP: &str = "\
Examples:
  relay demo                                   watch rows leave through a plugin, with nothing to install
  relay init --source postgres --sink kafka    write a configuration and print the outbox's SQL
  relay check                                  say what is wrong with relay.toml, all at once
  relay run                                    relay what relay.toml names, until a signal
  relay plugin new hello                       begin a plugin; relay dev then shows what it does on every save
  relay run --outbox postgres://localhost/shop --to nats://localhost:4222/orders.{aggregatetype} --start now

Exit codes:
    0  done
    1  it ran and failed
    2  wrong usage
    3  the configuration is wrong
    4  something outside is not as needed: a server, a grant, a schema
    5  ownership lost to another relay
  130  ended by a second SIGINT
  143  ended by a second SIGTERM";

/// A transactional outbox relay with sandboxed WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "relay", version, after_help = AFTER_HELP, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a configuration, and print or apply the SQL of the outbox.
    Init(init::Arguments),
    /// Say everything that is wrong with the configuration, without dialling anything.
    Check(check::Arguments),
    /// Relay events until a signal; a second signal ends at once.
    Run(run::Arguments),
    /// Show each lane: who owns it, how far it is, what is parked and dead.
    Status(status::Arguments),
    /// Show events of a running relay as they pass, before and after each plugin.
    Tap(tap::Arguments),
    /// Tell what became of one event in each lane.
    Trace(trace::Arguments),
    /// Look at events that were given up on, and send them again.
    #[command(subcommand)]
    Dead(dead::Command),
    /// Run golden cases through whole pipelines, without a server.
    Test(test::Arguments),
    /// Make plugins, look at them, and exchange them in a running relay.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Build plugins on every save, swap them into a running relay, and show what becomes of events.
    #[cfg(feature = "sqlite")]
    Dev(dev::Arguments),
    /// Watch committed rows leave through plugins, with everything it needs built in.
    Demo(demo::Arguments),
    /// Say what a code means and what to do.
    Explain(explain::Arguments),
}

/// Parses the command line, runs the command and says how it ended.
///
/// Wrong usage ends the process with 2 and `--help` with 0, before this returns.
#[must_use]
pub fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Tap(arguments) => tap::run(arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Dead(command) => dead::run(command),
        Command::Test(arguments) => test::run(&arguments),
        Command::Plugin(command) => plugin::run(&command),
        #[cfg(feature = "sqlite")]
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
    };
    let exit = ended.unwrap_or_else(|failure| {
        eprint!("{}", failure.screen(style::Style::of_stderr()));
        failure.exit()
    });
    exit.into()
}

/// Runs what a command does on a runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::setup(&error))?.block_on(work)
}
