//! `relay status`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::config_file::ConfigFile;
use super::stores::Stores;
use super::table::{Align, columns, grouped};
use super::{Exit, Failure, block_on, time};
use crate::app;
use crate::config::Config;
use crate::source::Backlog;
use crate::store::{LaneId, LaneSummary};

/// Shows each lane: who owns it, how far it is, what is parked and dead.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  relay status\n  relay status --json | jq '.[] | select(.dead > 0)'")]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let config = arguments.file.load()?;
    let (lanes, behind, away) = block_on(async {
        let lanes = Stores::open(&config).await?.lanes().await?;
        let (behind, away) = app::backlogs(&config, &lanes).await;
        Ok((lanes, behind, away))
    })?;
    let text = if arguments.json {
        json_screen(&lanes, &behind)
    } else {
        screen(&lanes, &behind, &configured(&config), time::now())
    };
    print!("{text}");
    for (source, error) in away {
        eprintln!("how far the lanes of {source} are behind is not known: {error}");
    }
    Ok(Exit::Done)
}

/// The lanes that the configuration makes.
fn configured(config: &Config) -> Vec<LaneId> {
    let pipelines = config.pipelines.values();
    pipelines.flat_map(|it| LaneId::of_sinks(&it.name, &it.sinks, it.shards)).collect()
}

/// One line per lane; `configured` lanes without a row are shown as never run.
pub(super) fn screen(
    lanes: &[LaneSummary],
    behind: &BTreeMap<LaneId, Backlog>,
    configured: &[LaneId],
    now: u64,
) -> String {
    let titles = [
        ("lane", Align::Left),
        ("owner", Align::Left),
        ("plugins", Align::Left),
        ("behind", Align::Right),
        ("delivered", Align::Right),
        ("discarded", Align::Right),
        ("parked", Align::Right),
        ("dead", Align::Right),
        ("last settled", Align::Left),
        ("state", Align::Left),
    ];
    let mut rows: Vec<(LaneId, Vec<String>)> =
        lanes.iter().map(|it| (it.lane.clone(), row(it, behind.get(&it.lane), now))).collect();
    for lane in configured.iter().filter(|lane| lanes.iter().all(|it| it.lane != **lane)) {
        let nothing = || "–".to_owned();
        let mut row = vec![lane.to_string()];
        row.extend(std::iter::repeat_with(nothing).take(titles.len() - 2));
        row.push("has never run".to_owned());
        rows.push((lane.clone(), row));
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    let dead: u64 = lanes.iter().map(|it| it.dead).sum();
    let next = if dead > 0 { "relay dead list shows what is dead\n" } else { "" };
    columns(&titles, &rows) + next
}

fn row(lane: &LaneSummary, behind: Option<&Backlog>, now: u64) -> Vec<String> {
    let plugins: Vec<&str> = lane.generation.iter().map(|it| it.get(..6).unwrap_or(it)).collect();
    vec![
        lane.lane.to_string(),
        if lane.leased { format!("{} #{}", lane.owner, lane.term) } else { "nobody".to_owned() },
        if plugins.is_empty() { "none".to_owned() } else { plugins.join(" → ") },
        behind.map_or_else(|| "–".to_owned(), |behind| waiting(behind, now)),
        grouped(lane.delivered),
        grouped(lane.discarded),
        grouped(lane.parked),
        grouped(lane.dead),
        lane.settled_at.map_or_else(|| "not yet".to_owned(), |at| time::ago(at, now)),
        if lane.leased { lane.state.clone() } else { "not running".to_owned() },
    ]
}

/// How many events wait, and for how long the oldest has.
fn waiting(behind: &Backlog, now: u64) -> String {
    let more = if behind.events == Backlog::MOST { "+" } else { "" };
    let age = behind.oldest.filter(|_| behind.events > 0).map(|at| format!(" ({})", time::since(at, now)));
    format!("{}{more}{}", grouped(behind.events), age.unwrap_or_default())
}

/// Every lane that has a row, with all that is known of it.
pub(super) fn json_screen(lanes: &[LaneSummary], behind: &BTreeMap<LaneId, Backlog>) -> String {
    let each = |lane: &LaneSummary| {
        json!({
            "pipeline": lane.lane.pipeline,
            "sink": lane.lane.sink,
            "shard": lane.lane.shard.to_string(),
            "owner": lane.owner,
            "term": lane.term,
            "leased": lane.leased,
            "state": lane.state,
            "position": lane.position.as_ref().map(ToString::to_string),
            "plugins": lane.generation,
            "behind": behind.get(&lane.lane).map(|it| json!({
                "events": it.events,
                "or_more": it.events == Backlog::MOST,
                "oldest": it.oldest.map(time::full),
            })),
            "delivered": lane.delivered,
            "discarded": lane.discarded,
            "parked": lane.parked,
            "dead": lane.dead,
            "settled_at": lane.settled_at.map(time::full),
        })
    };
    let all: serde_json::Value = lanes.iter().map(each).collect();
    format!("{all:#}\n")
}
