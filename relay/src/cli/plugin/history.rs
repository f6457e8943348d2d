//! `relay plugin history`

use clap::Args;
use serde_json::json;

use super::ask;
use crate::admin::plugins::PluginAsk;
use crate::cli::admin_server::AdminServer;
use crate::cli::table::{Align, columns, cut};
use crate::cli::{Exit, Failure, time};
use crate::plugin::history::{How, Left, Row};

const EXAMPLES: &str = "\
Examples:
  relay plugin history redact
  relay plugin history redact --json | jq '.[] | select(.left == \"rolled_back\") | .reason'

One line for each build that ran or was refused, the newest first. The relay keeps it over restarts, and copies of the
last ten builds that ran: relay plugin rollback goes back to those. Asks the relay on this machine.";

/// Characters of a reason that a line shows.
const LONGEST_REASON: usize = 160;

/// Shows which builds of a plugin ran, and why each was left or refused.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The plugin's name in the configuration.
    #[arg(value_name = "NAME")]
    plugin: String,
    #[command(flatten)]
    server: AdminServer,
    /// One JSON array instead of a table, with whole digests and reasons.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let done = ask::relay(&arguments.server, &arguments.plugin, &PluginAsk::History)?;
    let rows: Vec<Row> = serde_json::from_value(done["builds"].clone()).map_err(|error| {
        let what = format!("the relay's answer can't be read: {error}");
        Failure::coded(Exit::Environment, "P132", what, "use the relay program of the version that runs")
    })?;
    print!("{}", if arguments.json { json_screen(&rows) } else { screen(&rows, time::now()) });
    Ok(Exit::Done)
}

pub(super) fn screen(rows: &[Row], now: u64) -> String {
    let titles = ["build", "version", "since", "came by", "until", "copy", "left because"];
    let titles = titles.map(|it| (it, Align::Left));
    let rows: Vec<_> = rows.iter().map(|it| cells(it, now)).collect();
    columns(&titles, &rows)
}

/// Every build with all that is known of it.
pub(super) fn json_screen(rows: &[Row]) -> String {
    let each = |row: &Row| {
        json!({
            "digest": row.digest,
            "version": row.version,
            "permissions": row.permissions,
            "since": row.since.map(time::full),
            "came_by": row.came_by,
            "until": row.until.map(time::full),
            "left": row.left,
            "reason": row.reason,
            "on_probation": row.on_probation,
            "kept": row.kept,
        })
    };
    let all: serde_json::Value = rows.iter().map(each).collect();
    format!("{all:#}\n")
}

fn cells(row: &Row, now: u64) -> Vec<String> {
    let nothing = || "–".to_owned();
    let until = match row.until {
        Some(until) => time::short(until, now),
        None if row.on_probation => "runs, on probation".to_owned(),
        None => "runs".to_owned(),
    };
    vec![
        row.digest.get(..6).unwrap_or(&row.digest).to_owned(),
        row.version.clone().unwrap_or_else(nothing),
        row.since.map_or_else(nothing, |since| time::short(since, now)),
        row.came_by.map_or_else(nothing, |how| came_by(how).to_owned()),
        until,
        if row.kept { "yes" } else { "no" }.to_owned(),
        row.left.map_or_else(nothing, |left| why(left, row.reason.as_deref())),
    ]
}

fn came_by(how: How) -> &'static str {
    match how {
        How::Started => "start",
        How::SwappedIn => "swap",
        How::RolledBack => "rollback by itself",
        How::RolledBackByHand => "rollback by hand",
    }
}

fn why(left: Left, reason: Option<&str>) -> String {
    let what = match left {
        Left::Replaced => "replaced",
        Left::ReplacedWhileStopped => "replaced while the relay was stopped",
        Left::RolledBack => "rolled back by itself",
        Left::RolledBackByHand => "rolled back by hand",
        Left::Refused => "refused",
    };
    reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {}", cut(reason, LONGEST_REASON)))
}
