//! What `retry`, `edit` and `drop` share: which letters, how much that is, and the request.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::selection::Selection;
use crate::cli::config_file::ConfigFile;
use crate::cli::stores::Stores;
use crate::cli::table::counted;
use crate::cli::{Failure, block_on};
use crate::store::{DeadAction, DeadFilter, DeadLetter, LaneId};

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
    /// One JSON object instead of a sentence.
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
    /// Opens the stores of the configuration, asks, and returns what to print.
    pub(super) fn ask(&self, filter: &DeadFilter, action: &DeadAction) -> Result<String, Failure> {
        let config = self.file.load()?;
        block_on(async { self.ask_stores(&Stores::open(&config).await?, filter, action).await })
    }

    /// Asks for the action, unless it is a dry run, and says what it means.
    pub(super) async fn ask_stores(
        &self,
        stores: &Stores,
        filter: &DeadFilter,
        action: &DeadAction,
    ) -> Result<String, Failure> {
        let letters = stores.dead(filter).await?;
        let extent = Extent::of(&letters);
        if !self.dry_run && extent.events > 0 {
            stores.request(filter, action).await?;
        }
        Ok(if self.json { extent.json(self.dry_run) } else { extent.sentence(action, self.dry_run) })
    }
}

/// How much a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    events: u64,
    keys: u64,
    behind: u64,
}

impl Extent {
    pub(super) fn of(letters: &[DeadLetter]) -> Self {
        // Two dead letters of one key count the same events behind them.
        let mut keys: BTreeMap<(&LaneId, &str), u64> = BTreeMap::new();
        for letter in letters {
            let behind = keys.entry((&letter.lane, &letter.event.aggregate_id)).or_default();
            *behind = letter.blocked.max(*behind);
        }
        Self { events: letters.len() as u64, keys: keys.len() as u64, behind: keys.values().sum() }
    }

    pub(super) fn sentence(&self, action: &DeadAction, dry_run: bool) -> String {
        let (nothing, done) = words(action);
        if self.events == 0 {
            return format!("no dead letter matches; nothing to {nothing}\n");
        }
        let (verb, after) = if dry_run {
            ("would be", "")
        } else {
            (
                "will be",
                "\nthe relays that own the lanes do it now, or as soon as they run; relay status shows it",
            )
        };
        format!(
            "{} of {} {verb} {done}; {} wait behind them{after}\n",
            counted(self.events, "event"),
            counted(self.keys, "key"),
            counted(self.behind, "event"),
        )
    }

    fn json(&self, dry_run: bool) -> String {
        let Self { events, keys, behind } = self;
        format!("{:#}\n", json!({ "events": events, "keys": keys, "behind": behind, "dry_run": dry_run }))
    }
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
