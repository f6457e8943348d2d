//! `relay dead list`

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::json;

use super::selection::Selection;
use crate::cli::config_file::ConfigFile;
use crate::cli::stores::Stores;
use crate::cli::table::{Align, columns, cut, grouped};
use crate::cli::{Exit, Failure, block_on, time};
use crate::store::{DeadLetter, LaneId};

/// Groups dead letters by lane and error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  relay dead list\n  relay dead list --sink billing --json")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    selection: Selection,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let config = arguments.file.load()?;
    let filter = arguments.selection.filter(None);
    let mut groups = Groups::default();
    block_on(async { Stores::open(&config).await?.each_dead(&filter, |letter| groups.add(letter)).await })?;
    let text = if arguments.json { json_screen(&groups) } else { screen(&groups, time::now()) };
    print!("{text}");
    Ok(Exit::Done)
}

/// Dead letters by lane and error.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<(LaneId, String, String), Group>);

/// Dead letters of one lane that died of the same.
#[derive(Debug)]
struct Group {
    count: u64,
    keys: BTreeSet<String>,
    first: u64,
    last: u64,
    example: String,
}

impl Groups {
    pub(super) fn add(&mut self, letter: DeadLetter) {
        let DeadLetter { lane, event, code, detail, dead_at, .. } = letter;
        let group = self.0.entry((lane, code, detail)).or_insert_with(|| Group {
            count: 0,
            keys: BTreeSet::new(),
            first: dead_at,
            last: dead_at,
            example: event.id,
        });
        group.count += 1;
        group.keys.insert(event.aggregate_id);
        group.first = group.first.min(dead_at);
        group.last = group.last.max(dead_at);
    }

    /// The largest first.
    fn sorted(&self) -> Vec<(&LaneId, &str, &str, &Group)> {
        let each =
            self.0.iter().map(|((lane, code, detail), group)| (lane, code.as_str(), detail.as_str(), group));
        let mut sorted: Vec<_> = each.collect();
        sorted.sort_by_key(|(.., group)| std::cmp::Reverse(group.count));
        sorted
    }
}

/// One line per lane and error.
pub(super) fn screen(groups: &Groups, now: u64) -> String {
    if groups.0.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let titles = [
        ("count", Align::Right),
        ("lane", Align::Left),
        ("error", Align::Left),
        ("keys blocked", Align::Right),
        ("first", Align::Left),
        ("last", Align::Left),
        ("one of them", Align::Left),
    ];
    let row = |(lane, code, detail, group): (&LaneId, &str, &str, &Group)| {
        vec![
            grouped(group.count),
            lane.to_string(),
            format!("{code} {}", one_line(detail)),
            grouped(group.keys.len() as u64),
            time::short(group.first, now),
            time::short(group.last, now),
            group.example.clone(),
        ]
    };
    let rows: Vec<_> = groups.sorted().into_iter().map(row).collect();
    columns(&titles, &rows)
}

/// The same groups as JSON.
pub(super) fn json_screen(groups: &Groups) -> String {
    let each = |(lane, code, detail, group): (&LaneId, &str, &str, &Group)| {
        json!({
            "count": group.count,
            "pipeline": lane.pipeline,
            "sink": lane.sink,
            "code": code,
            "detail": detail,
            "keys": group.keys.len(),
            "first": time::full(group.first),
            "last": time::full(group.last),
            "one_of_them": group.example,
        })
    };
    let all: serde_json::Value = groups.sorted().into_iter().map(each).collect();
    format!("{all:#}\n")
}

/// A detail as a cell: its first line, at most 80 characters of it.
fn one_line(detail: &str) -> String {
    const MOST: usize = 80;
    cut(detail.lines().next().unwrap_or_default(), MOST)
}
