//! What `relay tap` shows on a terminal.

use std::time::Duration;

use serde_json::Value;

use crate::cli::style::Style;
use crate::cli::table::{counted, grouped};

/// Where the text of a record starts, below the time of its first line.
const MARGIN: &str = "              ";

/// Time of day within `2026-11-21T09:14:03.120394Z`, to the millisecond.
const CLOCK: std::ops::Range<usize> = 11..23;

/// The lines of one record.
pub(super) fn lines(record: &Value, style: Style) -> String {
    if record["kind"] == "missed" {
        let count = counted(record["count"].as_u64().unwrap_or_default(), "event");
        return format!("{}\n", style.warning(&format!("… {count} not shown: this end is too slow")));
    }
    let event = &record["event"];
    let clock = text(&record["at"]).get(CLOCK).map(str::to_owned).unwrap_or_default();
    let (headline, details) = match text(&record["kind"]).as_str() {
        "read" => ("read".to_owned(), read(record)),
        "plugin" => plugin(record, style),
        "sent" => sent(record),
        "answer" => (answer(record, style), Vec::new()),
        _ => (not_sent(record, style), Vec::new()),
    };
    let lane = format!("{} → {}", text(&record["pipeline"]), text(&record["sink"]));
    let who = [&event["id"], &event["key"], &event["type"]].map(text).join(" ");
    let mut lines = format!("{clock}  {lane}  {who}  {}\n", style.strong(&headline));
    details.iter().for_each(|it| lines.push_str(&format!("{MARGIN}{it}\n")));
    lines
}

fn read(record: &Value) -> Vec<String> {
    let mut lines = vec![content("payload", &record["payload"])];
    lines.extend(headers(&record["headers"]));
    lines
}

fn plugin(record: &Value, style: Style) -> (String, Vec<String>) {
    let (before, after) = (&record["before"], &record["after"]);
    let name = text(&record["plugin"]);
    let digest: String = text(&record["digest"]).chars().take(6).collect();
    let mut lines = vec![content("before", &before["payload"])];
    lines.extend(headers(&before["headers"]));
    let Some(messages) = after["messages"].as_array() else {
        let verdict = text(&after["verdict"]);
        let verdict = if verdict == "discard" { verdict } else { style.error(&verdict) };
        let code = after["code"].as_str().map(|it| format!(" {it}")).unwrap_or_default();
        lines.push(format!("{verdict}{code}: {}", text(&after["reason"])));
        return (format!("{name} {digest}"), lines);
    };
    for message in messages {
        lines.push(format!("after   → {}", target(message)));
        lines.push(content("body", &message["body"]));
        if message["key"]["unchanged"] != true {
            lines.push(content("key", &message["key"]));
        }
        lines.extend(headers(&message["headers"]));
    }
    (format!("{name} {digest}: {}", counted(messages.len() as u64, "message")), lines)
}

fn target(message: &Value) -> String {
    let to = &message["to"];
    let place = match to.as_object() {
        None => "the next plugin, or the pipeline's route".to_owned(),
        Some(fields) => {
            let beside = ["partition", "timestamp", "method", "auth"];
            let kind = fields.iter().find(|(name, _)| !beside.contains(&name.as_str()));
            kind.map(|(kind, place)| format!("{kind} {}", text(place))).unwrap_or_default()
        }
    };
    match message["sink"].as_str() {
        Some(sink) => format!("{place} of {sink}"),
        None => place,
    }
}

fn sent(record: &Value) -> (String, Vec<String>) {
    let address = &record["address"];
    let place = text(&address["place"]);
    let place = if place.is_empty() { "the sink's own place".to_owned() } else { place };
    let method = address["method"].as_str().map(|it| format!("{it} ")).unwrap_or_default();
    let attempt = record["event"]["attempt"].as_u64().unwrap_or_default();
    let mut lines = vec![content("body", &record["body"]), content("key", &record["key"])];
    lines.extend(headers(&record["headers"]));
    (format!("sent to {method}{place}, slot {}, attempt {attempt}", text(&record["slot"])), lines)
}

fn answer(record: &Value, style: Style) -> String {
    let took = Duration::from_micros(record["took_us"].as_u64().unwrap_or_default());
    let took = format!("after {:.1} ms", took.as_secs_f64() * 1_000.0);
    match text(&record["outcome"]).as_str() {
        "delivered" => format!("{} {took}", style.good("delivered")),
        outcome => format!("{} {took}: {}", style.error(outcome), failure(record)),
    }
}

fn not_sent(record: &Value, style: Style) -> String {
    match text(&record["outcome"]).as_str() {
        "nothing_for_this_sink" => "nothing to send: discarded, or for other sinks".to_owned(),
        outcome => format!("{}: {}", style.error(&format!("not sent, {outcome}")), failure(record)),
    }
}

fn failure(record: &Value) -> String {
    let failure = &record["failure"];
    format!("{} {}", text(&failure["code"]), text(&failure["detail"]))
}

fn headers(headers: &Value) -> Vec<String> {
    let each = headers.as_array().into_iter().flatten();
    each.map(|it| format!("header  {}: {}", text(&it["name"]), value(it))).collect()
}

/// A payload, body or key under its name, with its size.
fn content(name: &str, content: &Value) -> String {
    if content.is_null() {
        return format!("{name:<8}none");
    }
    let bytes = content["bytes"].as_u64().map(|it| format!("{} B  ", grouped(it))).unwrap_or_default();
    format!("{name:<8}{bytes}{}", value(content))
}

fn value(content: &Value) -> String {
    let shown = match (content["text"].as_str(), content["base64"].as_str()) {
        (Some(_), _) => text(&content["text"]),
        (None, Some(base64)) => format!("base64 {base64}"),
        (None, None) if content["unchanged"] == true => "unchanged".to_owned(),
        (None, None) if content["redacted"] == true => "[redacted]".to_owned(),
        (None, None) => "(not shown)".to_owned(),
    };
    if content["truncated"] == true { format!("{shown}…") } else { shown }
}

/// Text on one line: what an event holds can't move the cursor of a terminal or colour it.
fn text(value: &Value) -> String {
    let plain = value.as_str().unwrap_or_default();
    let mut line = String::with_capacity(plain.len());
    for character in plain.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}
