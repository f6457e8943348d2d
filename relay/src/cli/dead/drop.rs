//! `relay dead drop`

use clap::Args;

use super::asked::Choice;
use crate::cli::{Exit, Failure};
use crate::store::DeadAction;

/// Forgets dead letters for good; what waits behind them in their keys goes on.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  relay dead drop --error S214 --older-than 30d --dry-run\n  relay dead drop --id 01JD3K\n\nThe request stays in the relay's tables as a record; the events do not."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(super) choice: Choice,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let filter = arguments.choice.filter()?;
    arguments.choice.telling().ask(&filter, &DeadAction::Drop)
}
