//! What `retry`, `edit` and `drop` share: which letters, how much that is, and the request.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::outcome::Report;
use super::selection::{Selection, length};
use crate::cli::config_file::ConfigFile;
use crate::cli::stores::Stores;
use crate::cli::table::counted;
use crate::cli::{Exit, Failure, block_on};
use crate::store::{DeadAction, DeadFilter, Extent};

/// Which dead letters, and how to say it.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// The event's id, as dead list shows it.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// Every dead letter there is.
    #[arg(long, conflicts_with_all = ["id", "lane", "pipeline", "sink", "key", "error", "older_than"])]
    all: bool,
    #[command(flatten)]
    telling: Telling,
}

/// How a command that changes dead letters tells of it.
#[derive(Debug, Args)]
pub(super) struct Telling {
    /// Say what would be done, and leave everything as it is.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for what comes of it; the request stands in any case. 0s does not wait.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = length)]
    wait: Duration,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Choice {
    /// Refuses a command that says nothing of which letters it means.
    pub(super) fn filter(&self) -> Result<DeadFilter, Failure> {
        if !self.all && self.id.is_none() && self.selection.is_everything() {
            let remedy = "use --id, --error, --lane, --pipeline, --sink, --key or --older-than, or --all for \
                          every one of them";
            return Err(Failure::usage("nothing says which dead letters are meant".to_owned(), remedy));
        }
        Ok(self.selection.filter(self.id.as_deref()))
    }

    pub(super) fn telling(&self) -> &Telling {
        &self.telling
    }
}

impl Telling {
    /// Opens the stores of the configuration, asks, and prints what comes of it.
    pub(super) fn ask(&self, filter: &DeadFilter, action: &DeadAction) -> Result<Exit, Failure> {
        let config = self.file.load()?;
        let print = |text: &str| print!("{text}");
        block_on(async { self.ask_stores(&Stores::open(&config).await?, filter, action, print).await })
    }

    /// Asks for the action, unless it is a dry run; says what it means, and then what came of it.
    pub(super) async fn ask_stores(
        &self,
        stores: &Stores,
        filter: &DeadFilter,
        action: &DeadAction,
        mut print: impl FnMut(&str),
    ) -> Result<Exit, Failure> {
        let extent = stores.extent(filter).await?;
        if !self.json {
            print(&sentence(extent, action, self.dry_run));
        }
        let mut report = None;
        if !self.dry_run && extent.letters > 0 {
            let asked = stores.request(filter, action).await?;
            report = Some(Report::follow(stores, &asked, self.wait).await?);
        }
        if self.json {
            print(&json_screen(extent, self.dry_run, report.as_ref()));
        } else if let Some(report) = &report {
            print(&report.lines(action));
        }
        Ok(report.map_or(Exit::Done, |report| report.exit()))
    }
}

pub(super) fn sentence(extent: Extent, action: &DeadAction, dry_run: bool) -> String {
    let (nothing, done) = words(action);
    if extent.letters == 0 {
        return format!("no dead letter matches; nothing to {nothing}\n");
    }
    let verb = if dry_run { "would be" } else { "will be" };
    format!(
        "{} of {} {verb} {done}; {} wait behind them\n",
        counted(extent.letters, "event"),
        counted(extent.keys, "key"),
        counted(extent.behind, "event"),
    )
}

fn json_screen(extent: Extent, dry_run: bool, report: Option<&Report>) -> String {
    let Extent { letters, keys, behind } = extent;
    let outcome = report.map(Report::json);
    let all = json!({
        "events": letters, "keys": keys, "behind": behind, "dry_run": dry_run, "outcome": outcome,
    });
    format!("{all:#}\n")
}

/// What there is nothing to do of, and what is done.
fn words(action: &DeadAction) -> (&'static str, &'static str) {
    match action {
        DeadAction::Retry => ("send again", "sent again, in key order"),
        DeadAction::Rerun => {
            ("send again", "transformed anew and sent under idempotency keys of their own, in key order")
        }
        DeadAction::Replace(_) => {
            ("edit", "given this payload, transformed anew and sent under idempotency keys of their own")
        }
        DeadAction::Drop => ("drop", "dropped for good"),
    }
}
