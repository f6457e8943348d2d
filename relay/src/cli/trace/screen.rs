//! What `relay trace` shows.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::app::{EventFate, LaneTrace, Trace};
use crate::cli::table::counted;
use crate::cli::time;
use crate::store::{HeldRecord, LaneSummary, WaitsFor};

/// What became of an event, lane by lane.
pub(super) fn screen(trace: &Trace, now: u64) -> String {
    let event = &trace.event;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12}{value}\n"));
    line("event", &event.id);
    line("key", &event.aggregate_id);
    line("type", &format!("{} of {}", event.event_type, event.aggregate_type));
    line("written", &time::full(event.occurred_at));
    line("outbox", &outbox(trace));
    for lane in &trace.lanes {
        let _ = write!(text, "\n{}: {}\n", lane.lane, headline(&lane.fate, now));
        for (name, value) in details(lane, now) {
            let _ = writeln!(text, "   {name:<11}{value}");
        }
    }
    text
}

fn outbox(trace: &Trace) -> String {
    let Some(row) = &trace.row else {
        return format!("{}: its row is not there any more", trace.source);
    };
    let transaction = row.transaction.map(|it| format!(", transaction {it}")).unwrap_or_default();
    let others = match row.rows {
        0 | 1 => String::new(),
        rows => format!("; {rows} rows have this id, and this is the first"),
    };
    format!("{}: sequence {}{transaction}{others}", trace.source, trace.event.sequence)
}

fn headline(fate: &EventFate, now: u64) -> String {
    match fate {
        EventFate::Held(record) => held(record, now),
        EventFate::Settled { or_before_start: false } => {
            "settled: delivered, discarded or without a message for this sink".to_owned()
        }
        EventFate::Settled { or_before_start: true } => {
            "settled, or committed before the lane first ran (start = \"now\")".to_owned()
        }
        EventFate::NotReached { queue: None } => "not reached yet".to_owned(),
        EventFate::NotReached { queue: Some(queue) } => {
            format!(
                "not reached yet; {} of its key are held, {} first",
                counted(queue.events, "event"),
                queue.first
            )
        }
        EventFate::Unknown(why) => format!("unknown: {why}"),
    }
}

fn held(record: &HeldRecord, now: u64) -> String {
    match record.waits_for {
        WaitsFor::Attempt { due_at } if due_at <= now => "parked: its next attempt is due".to_owned(),
        WaitsFor::Attempt { due_at } => {
            format!("parked: its next attempt is due at {}", time::short(due_at, now))
        }
        WaitsFor::Key => {
            let before = counted(record.ahead, "event");
            let behind = record.behind.as_ref().map(|it| format!(" behind {it}")).unwrap_or_default();
            format!("blocked: waits{behind}; {before} of its key before it")
        }
        WaitsFor::Operator { dead_at } => format!("dead letter since {}", time::short(dead_at, now)),
    }
}

fn details(lane: &LaneTrace, now: u64) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let EventFate::Held(record) = &lane.fate {
        lines.extend(held_details(record, now));
    }
    if let EventFate::Settled { .. } = &lane.fate {
        lines.push((
            "not kept",
            "which of these it was, its attempts, and the plugins that saw it".to_owned(),
        ));
    }
    let owned = lane.summary.as_ref().is_some_and(|it| it.leased);
    if let (EventFate::NotReached { .. }, true) = (&lane.fate, owned) {
        lines.push(("in flight", "known to the running relay alone; relay tap shows it".to_owned()));
    }
    lines.push((
        "lane",
        lane.summary.as_ref().map_or_else(|| "has never run".to_owned(), |it| summary(it, now)),
    ));
    lines
}

fn held_details(record: &HeldRecord, now: u64) -> Vec<(&'static str, String)> {
    let mut lines = vec![("held", format!("since {}", time::short(record.held_at, now)))];
    if record.attempts > 0 {
        lines.push(("attempts", record.attempts.to_string()));
    }
    lines.extend(record.failure.iter().map(|(code, detail)| ("error", format!("{code} {detail}"))));
    if !record.generation.is_empty() {
        lines.push(("plugins", digests(&record.generation)));
    }
    if !record.delivered.is_empty() {
        lines.push(("delivered", format!("slots {}", record.delivered.join(", "))));
    }
    lines.extend(record.rerun.map(|it| ("request", format!("{it}: an operator had its plugins run again"))));
    if let WaitsFor::Operator { .. } = record.waits_for {
        let id = &record.event.id;
        lines.push(("next", format!("relay dead show {id} · relay dead retry --id {id}")));
    }
    lines
}

fn summary(lane: &LaneSummary, now: u64) -> String {
    let owner = if lane.leased {
        format!("{} #{}, {}", lane.owner, lane.term, lane.state)
    } else {
        "not running".to_owned()
    };
    let settled = match lane.settled_at {
        None => "nothing settled yet".to_owned(),
        Some(at) if lane.generation.is_empty() => {
            format!("last settled {}, without plugins", time::ago(at, now))
        }
        Some(at) => {
            format!("last settled {}, with plugins {}", time::ago(at, now), digests(&lane.generation))
        }
    };
    format!("{owner}; {settled}")
}

fn digests(generation: &[String]) -> String {
    let short: Vec<_> = generation.iter().map(|it| it.get(..6).unwrap_or(it)).collect();
    short.join(" → ")
}

/// The same as JSON, an object per outbox that knows the event.
pub(super) fn json_screen(traces: &[Trace]) -> String {
    let all: Value = traces.iter().map(json_trace).collect();
    format!("{all:#}\n")
}

fn json_trace(trace: &Trace) -> Value {
    let event = &trace.event;
    let row = trace.row.as_ref();
    json!({
        "event": event.id,
        "source": trace.source,
        "key": event.aggregate_id,
        "aggregate_type": event.aggregate_type,
        "type": event.event_type,
        "sequence": event.sequence,
        "written": time::full(event.occurred_at),
        "row": row.map(|it| json!({ "transaction": it.transaction, "rows": it.rows })),
        "lanes": trace.lanes.iter().map(json_lane).collect::<Vec<_>>(),
    })
}

fn json_lane(lane: &LaneTrace) -> Value {
    let mut value = match &lane.fate {
        EventFate::Held(record) => json_held(record),
        EventFate::Settled { or_before_start } => {
            json!({ "state": "settled", "or_before_start": or_before_start })
        }
        EventFate::NotReached { queue } => json!({
            "state": "not_reached",
            "behind": queue.as_ref().map(|it| &it.first),
            "ahead": queue.as_ref().map_or(0, |it| it.events),
        }),
        EventFate::Unknown(why) => json!({ "state": "unknown", "why": why }),
    };
    value["pipeline"] = lane.lane.pipeline.clone().into();
    value["sink"] = lane.lane.sink.clone().into();
    value["lane"] = lane.summary.as_ref().map_or(Value::Null, |it| {
        json!({
            "owner": it.owner, "term": it.term, "leased": it.leased, "state": it.state,
            "position": it.position.as_ref().map(ToString::to_string),
            "plugins": it.generation, "settled_at": it.settled_at.map(time::full),
        })
    });
    value
}

fn json_held(record: &HeldRecord) -> Value {
    let (state, due_at, dead_since) = match record.waits_for {
        WaitsFor::Attempt { due_at } => ("parked", Some(time::full(due_at)), None),
        WaitsFor::Key => ("blocked", None, None),
        WaitsFor::Operator { dead_at } => ("dead", None, Some(time::full(dead_at))),
    };
    json!({
        "state": state,
        "due_at": due_at,
        "dead_since": dead_since,
        "held_since": time::full(record.held_at),
        "attempts": record.attempts,
        "code": record.failure.as_ref().map(|it| &it.0),
        "detail": record.failure.as_ref().map(|it| &it.1),
        "plugins": record.generation,
        "delivered_slots": record.delivered,
        "rerun": record.rerun,
        "behind": record.behind,
        "ahead": record.ahead,
    })
}
