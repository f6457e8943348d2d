//! What `relay dev` shows.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{Differing, Fate, Live, News};
use crate::cli::plugin::difference;
use crate::cli::style::Style;
use crate::cli::table::counted;
use crate::cli::time;
use crate::plugin::golden::{CaseOutcome, CaseResult, Outcome};

/// Differing events that are shown in full; the others are counted.
const SHOWN: usize = 5;

/// Where the text of a line starts, below the time of its first.
const MARGIN: &str = "           ";

/// The lines of `news`, at this time of day.
pub(super) fn lines(news: &News, style: Style) -> String {
    lines_at(news, &time::short(time::now(), time::now()), style)
}

pub(super) fn lines_at(news: &News, clock: &str, style: Style) -> String {
    match news {
        News::Watching { plugins, outbox, last } => {
            let plugins: Vec<_> =
                plugins.iter().map(|(name, dir)| format!("{name} in {}", dir.display())).collect();
            format!(
                "watching   {}\noutbox     {outbox}\nshowing    the newest {} again after each build\n",
                plugins.join(", "),
                counted(*last as u64, "event")
            )
        }
        News::Progress(line) => format!("{MARGIN}{}\n", line.trim()),
        News::Started { plugin, digest, fates, cases } => {
            let mut text = format!("{clock}  running {plugin} {digest}{}\n", case_words(cases));
            fates.iter().for_each(|fate| text.push_str(&fate_line(fate)));
            text + &failed_cases(cases, style)
        }
        News::Saved { plugin, file } => format!("{clock}  saved {} of {plugin}\n", file.display()),
        News::Unchanged { plugin } => format!("{clock}  {plugin} came out the same; nothing to swap\n"),
        News::Built { took, compared, differing, cases, from, to, .. } => {
            let mut text =
                format!("{clock}  built {}{} · {from} → {to}\n", seconds(*took), case_words(cases));
            text.push_str(&differing_screen(differing, *compared, style));
            text + &failed_cases(cases, style)
        }
        News::Live(live) => live_line(live, clock, style),
        News::Failed { plugin, running, code, words } => {
            let goes_on = match running {
                Some(running) => format!("; {running} goes on"),
                None => "; nothing runs until a save builds".to_owned(),
            };
            let mut text =
                format!("{clock}  {}{goes_on}\n", style.error(&format!("build of {plugin} failed: {code}")));
            for line in words.lines() {
                text.push_str(format!("{MARGIN}{line}").trim_end());
                text.push('\n');
            }
            text
        }
        News::Unanswered { event, code, plugin, words, is_dead } => {
            let end = if *is_dead { "a dead letter" } else { "tried again later" };
            let plugin = plugin.as_ref().map(|it| format!(", {it}")).unwrap_or_default();
            let what = format!("{} event {event}{plugin}: ", happened(code));
            let text = failure(&what, words, MARGIN, style);
            format!("{clock}  {}{MARGIN}the event is {end}; the others went on\n", text.trim_start())
        }
        News::Relay { level, who, words } => {
            let level = match level.as_str() {
                "error" => style.error("error"),
                "warn" => style.warning("warn"),
                other => other.to_owned(),
            };
            format!("{clock}  {level} {who}: {words}\n")
        }
    }
}

/// What happened and where, and below it from where that was called.
fn failure(what: &str, words: &str, margin: &str, style: Style) -> String {
    let mut frames = words.split(" < ");
    let mut text =
        format!("{margin}{}\n", style.error(&format!("{what}{}", frames.next().unwrap_or_default())));
    frames.for_each(|frame| text.push_str(&format!("{margin}  called from {frame}\n")));
    text
}

/// What happened, by its code.
fn happened(code: &str) -> String {
    match code {
        "P120" => "trap in".to_owned(),
        "P121" => "too much time for".to_owned(),
        "P122" => "too much memory for".to_owned(),
        _ => format!("{code} in"),
    }
}

fn live_line(live: &Live, clock: &str, style: Style) -> String {
    let parts = live.parts;
    let first = parts.first_output.map(|it| format!(" + first message {}", seconds(it))).unwrap_or_default();
    let waited = live.longest_wait.map(|it| format!("; no event waited longer than {}", seconds(it)));
    format!(
        "{clock}  {} {} after the save: build {} + compile {} + load {} + swap {}{first}{}\n",
        style.good(&format!("{} is live", live.to)),
        seconds(parts.total()),
        seconds(parts.build),
        seconds(parts.compile),
        seconds(parts.load),
        seconds(parts.swap),
        waited.unwrap_or_default()
    )
}

fn differing_screen(differing: &[Differing], compared: usize, style: Style) -> String {
    if differing.is_empty() {
        return format!("{MARGIN}{} come out as before\n", counted(compared as u64, "event"));
    }
    let mut text = format!(
        "{MARGIN}{} of {} come out differently\n",
        differing.len(),
        counted(compared as u64, "event")
    );
    let groups = alike(differing);
    for (it, count) in groups.iter().take(SHOWN) {
        let event = &it.after.event;
        let others = if *count > 1 { format!(", and {} like it", count - 1) } else { String::new() };
        text.push_str(&format!("{MARGIN}{} {} {}{others}\n", event.id, event.event_type, event.aggregate_id));
        text.push_str(&difference::screen(
            &it.before,
            &it.after.outcome,
            event,
            &format!("{MARGIN}  "),
            style,
        ));
        text.extend(it.after.detail.iter().map(|words| failure("", words, &format!("{MARGIN}  "), style)));
    }
    let others: usize = groups.iter().skip(SHOWN).map(|(_, count)| count).sum();
    if others > 0 {
        text.push_str(&format!("{MARGIN}and {others} more, in other ways\n"));
    }
    text
}

/// The first of those events that differ in the same way, and how many they are.
fn alike(differing: &[Differing]) -> Vec<(&Differing, usize)> {
    let mut groups: Vec<(&Differing, usize)> = Vec::new();
    for it in differing {
        let same = |other: &Differing| {
            other.before == it.before
                && other.after.outcome == it.after.outcome
                && other.after.event.event_type == it.after.event.event_type
                && other.after.event.payload == it.after.event.payload
        };
        match groups.iter_mut().find(|(other, _)| same(other)) {
            Some((_, count)) => *count += 1,
            None => groups.push((it, 1)),
        }
    }
    groups
}

/// What became of one event, in one line.
fn fate_line(fate: &Fate) -> String {
    let event = &fate.event;
    let outcome = fate.outcome.lines(event).into_iter().next().unwrap_or_default();
    let innermost = fate.detail.iter().filter_map(|it| it.split(" < ").next()).next();
    let detail = innermost.map(|it| format!(": {it}")).unwrap_or_default();
    format!("{MARGIN}{} {} → {outcome}{detail}\n", event.event_type, event.aggregate_id)
}

fn case_words(cases: &[CaseResult]) -> String {
    let passed = cases.iter().filter(|it| it.outcome.is_pass()).count();
    match (cases.len(), passed) {
        (0, _) => String::new(),
        (all, passed) if all == passed => format!(" · {} pass", counted(all as u64, "golden case")),
        (all, passed) => format!(" · {passed} of {all} golden cases pass"),
    }
}

fn failed_cases(cases: &[CaseResult], style: Style) -> String {
    let mut text = String::new();
    for it in cases.iter().filter(|it| !it.outcome.is_pass()) {
        let what = match &it.outcome {
            CaseOutcome::Unrecorded => "is not written down yet; relay plugin test --update does it",
            CaseOutcome::Unstable(_) => "depends on earlier events",
            CaseOutcome::Differs | CaseOutcome::Passed => "expected (-) and found (+)",
        };
        text.push_str(&format!("{MARGIN}case {}: {what}\n", it.case.name));
        let (before, after): (&Outcome, &Outcome) = match (&it.outcome, &it.case.expected) {
            (CaseOutcome::Unstable(behind), _) => (&it.found, behind),
            (_, Some(expected)) => (expected, &it.found),
            (_, None) => continue,
        };
        text.push_str(&difference::screen(before, after, &it.case.event, &format!("{MARGIN}  "), style));
    }
    text
}

fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.1 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

/// `news` as one line of JSON; times in milliseconds.
pub(super) fn json_line(news: &News) -> String {
    let ms = |duration: Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
    let cases = |all: &[CaseResult]| json!({ "all": all.len(), "passed": all.iter().filter(|it| it.outcome.is_pass()).count() });
    let value = match news {
        News::Watching { plugins, outbox, last } => {
            let plugins: Vec<_> =
                plugins.iter().map(|(name, dir)| json!({ "name": name, "dir": dir })).collect();
            json!({ "news": "watching", "plugins": plugins, "outbox": outbox, "last": last })
        }
        News::Progress(line) => json!({ "news": "progress", "line": line }),
        News::Started { plugin, digest, fates, cases: all } => {
            let fates: Vec<Value> = fates.iter().map(fate).collect();
            json!({ "news": "started", "plugin": plugin, "digest": digest, "events": fates, "cases": cases(all) })
        }
        News::Saved { plugin, file } => json!({ "news": "saved", "plugin": plugin, "file": file }),
        News::Unchanged { plugin } => json!({ "news": "unchanged", "plugin": plugin }),
        News::Built { plugin, from, to, took, compared, differing, cases: all } => {
            let differing = differing
                .iter()
                .map(|it| json!({ "before": it.before.lines(&it.after.event), "after": fate(&it.after) }));
            json!({
                "news": "built", "plugin": plugin, "from": from, "to": to, "took": ms(*took), "compared": compared,
                "differing": differing.collect::<Vec<_>>(), "cases": cases(all),
            })
        }
        News::Live(live) => json!({
            "news": "live", "plugin": live.plugin, "to": live.to, "total": ms(live.parts.total()),
            "build": ms(live.parts.build), "compile": ms(live.parts.compile), "load": ms(live.parts.load), "swap": ms(live.parts.swap),
            "first_output": live.parts.first_output.map(ms), "longest_wait": live.longest_wait.map(ms),
        }),
        News::Failed { plugin, running, code, words } => {
            json!({ "news": "failed", "plugin": plugin, "running": running, "code": code, "words": words })
        }
        News::Unanswered { event, code, plugin, words, is_dead } => {
            json!({
                "news": "unanswered", "event": event, "code": code, "plugin": plugin, "words": words, "dead": is_dead,
            })
        }
        News::Relay { level, who, words } => {
            json!({ "news": "relay", "level": level, "who": who, "words": words })
        }
    };
    format!("{value}\n")
}

fn fate(it: &Fate) -> Value {
    json!({ "event": it.event.id, "outcome": it.outcome.lines(&it.event), "detail": it.detail })
}
