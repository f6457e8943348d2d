//! `relay dead`

mod asked;
mod drop;
mod edit;
mod list;
mod outcome;
mod retry;
mod selection;
mod show;
#[cfg(test)]
mod tests;

use clap::Subcommand;

use super::{Exit, Failure};

/// Look at events that were given up on, and decide what becomes of them.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Group dead letters by lane and error.
    List(list::Arguments),
    /// Show one dead letter whole.
    Show(show::Arguments),
    /// Send dead letters again, as they were rendered, in key order.
    Retry(retry::Arguments),
    /// Give one dead letter another payload, and send it through its plugins again.
    Edit(edit::Arguments),
    /// Forget dead letters for good; what waits behind them goes on.
    Drop(drop::Arguments),
}

pub(super) fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => list::run(&arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Retry(arguments) => retry::run(&arguments),
        Command::Edit(arguments) => edit::run(&arguments),
        Command::Drop(arguments) => drop::run(&arguments),
    }
}
