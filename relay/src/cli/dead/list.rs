//! `relay dead list`

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::json;

use super::selection::Selection;
use crate::cli::config_file::ConfigFile;
use crate::cli::stores::Stores;
use crate::cli::table::{Align, columns, grouped};
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
    let letters = block_on(async { Stores::open(&config).await?.dead(&filter).await })?;
    let text = if arguments.json { json_screen(&letters) } else { screen(&letters, time::now()) };
    print!("{text}");
    Ok(Exit::Done)
}

/// Dead letters of one lane that died of the same.
struct Group<'a> {
    lane: &'a LaneId,
    code: &'a str,
    detail: &'a str,
    count: u64,
    keys: BTreeSet<&'a str>,
    first: u64,
    last: u64,
    example: &'a str,
}

/// One line per lane and error, the largest group first.
pub(super) fn screen(letters: &[DeadLetter], now: u64) -> String {
    if letters.is_empty() {
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
    let row = |group: &Group<'_>| {
        vec![
            grouped(group.count),
            group.lane.to_string(),
            format!("{} {}", group.code, one_line(group.detail)),
            grouped(group.keys.len() as u64),
            time::short(group.first, now),
            time::short(group.last, now),
            group.example.to_owned(),
        ]
    };
    let rows: Vec<_> = groups(letters).iter().map(row).collect();
    columns(&titles, &rows)
}

/// The same groups as JSON.
pub(super) fn json_screen(letters: &[DeadLetter]) -> String {
    let each = |group: &Group<'_>| {
        json!({
            "count": group.count,
            "pipeline": group.lane.pipeline,
            "sink": group.lane.sink,
            "code": group.code,
            "detail": group.detail,
            "keys": group.keys.len(),
            "first": time::full(group.first),
            "last": time::full(group.last),
            "one_of_them": group.example,
        })
    };
    let all: serde_json::Value = groups(letters).iter().map(each).collect();
    format!("{all:#}\n")
}

fn groups(letters: &[DeadLetter]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(&LaneId, &str, &str), Group<'_>> = BTreeMap::new();
    for letter in letters {
        let group = groups.entry((&letter.lane, &letter.code, &letter.detail)).or_insert_with(|| Group {
            lane: &letter.lane,
            code: &letter.code,
            detail: &letter.detail,
            count: 0,
            keys: BTreeSet::new(),
            first: letter.dead_at,
            last: letter.dead_at,
            example: &letter.event.id,
        });
        group.count += 1;
        group.keys.insert(&letter.event.aggregate_id);
        group.first = group.first.min(letter.dead_at);
        group.last = group.last.max(letter.dead_at);
    }
    let mut sorted: Vec<_> = groups.into_values().collect();
    sorted.sort_by_key(|it| std::cmp::Reverse(it.count));
    sorted
}

/// A detail as a cell: its first line, at most 80 characters of it.
fn one_line(detail: &str) -> String {
    const MOST: usize = 80;
    let line = detail.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
