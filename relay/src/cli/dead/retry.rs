//! `relay dead retry`

use clap::Args;

use super::asked::Choice;
use crate::cli::{Exit, Failure};
use crate::store::DeadAction;

/// Sends dead letters again, as they were rendered, in key order.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  relay dead retry --error S214 --dry-run\n  relay dead retry --error S214\n  relay dead retry --id 01JD3K --transform"
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub(super) choice: Choice,
    /// Run the plugins of now again, instead of sending what was rendered; what they make goes under idempotency
    /// keys of its own, so a receiver that took a part of the first attempt takes it twice.
    #[arg(long)]
    transform: bool,
}

impl Arguments {
    pub(super) fn action(&self) -> DeadAction {
        if self.transform { DeadAction::Rerun } else { DeadAction::Retry }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let filter = arguments.choice.filter()?;
    arguments.choice.telling().ask(&filter, &arguments.action())
}
