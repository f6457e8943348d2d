//! `relay dead retry`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::selection::Selection;
use crate::cli::config_file::ConfigFile;
use crate::cli::stores::Stores;
use crate::cli::table::counted;
use crate::cli::{Exit, Failure, block_on};
use crate::store::{DeadLetter, LaneId};

/// Sends dead letters again, as they were rendered, in key order.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  relay dead retry --error S214 --dry-run\n  relay dead retry --error S214\n  relay dead retry --id 01JD3K"
)]
pub(in crate::cli) struct Arguments {
    /// The event's id, as dead list shows it.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// Every dead letter there is.
    #[arg(long, conflicts_with_all = ["id", "lane", "pipeline", "sink", "key", "error"])]
    all: bool,
    /// Say what would be sent, and leave everything as it is.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object instead of a sentence.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if !arguments.all && arguments.id.is_none() && arguments.selection.is_everything() {
        let remedy = "use --id, --error, --lane, --pipeline, --sink or --key, or --all for every one of them";
        return Err(Failure::usage("nothing says which dead letters are meant".to_owned(), remedy));
    }
    let config = arguments.file.load()?;
    let told = block_on(async { retry(&Stores::open(&config).await?, arguments).await })?;
    print!("{told}");
    Ok(Exit::Done)
}

/// Asks for the retry, unless it is a dry run, and says what it means.
pub(super) async fn retry(stores: &Stores, arguments: &Arguments) -> Result<String, Failure> {
    let filter = arguments.selection.filter(arguments.id.as_deref());
    let letters = stores.dead(&filter).await?;
    let extent = Extent::of(&letters);
    if !arguments.dry_run && extent.events > 0 {
        stores.request_retry(&filter).await?;
    }
    Ok(if arguments.json { extent.json(arguments.dry_run) } else { extent.sentence(arguments.dry_run) })
}

/// How much a retry is about.
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

    pub(super) fn sentence(&self, dry_run: bool) -> String {
        if self.events == 0 {
            return "no dead letter matches; nothing to send again\n".to_owned();
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
            "{} of {} {verb} sent again, in key order; {} wait behind them{after}\n",
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
