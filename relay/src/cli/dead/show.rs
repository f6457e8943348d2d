//! `relay dead show`

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use relay_engine::message::{Content, Message};
use serde_json::{Value, json};

use super::selection::Selection;
use crate::cli::config_file::ConfigFile;
use crate::cli::stores::Stores;
use crate::cli::table::{counted, grouped};
use crate::cli::{Exit, Failure, block_on, time};
use crate::store::DeadLetter;

/// Shows one dead letter whole.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  relay dead show 01JD3K\n  relay dead show 01JD3K --payload")]
pub(in crate::cli) struct Arguments {
    /// The event's id, as dead list shows it.
    id: String,
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    selection: Selection,
    /// Show payload, bodies and header values too; they may hold personal data.
    #[arg(long)]
    payload: bool,
    /// One JSON array instead of text; bytes that are not UTF-8 are in base64.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let config = arguments.file.load()?;
    let filter = arguments.selection.filter(Some(&arguments.id));
    let mut letters = Vec::new();
    block_on(async { Stores::open(&config).await?.each_dead(&filter, |letter| letters.push(letter)).await })?;
    if letters.is_empty() {
        let what = format!("no dead letter has the event id {:?}", arguments.id);
        return Err(Failure::not_found(what, "relay dead list shows those that there are"));
    }
    if arguments.json {
        let all: Value = letters.iter().map(|it| json_letter(it, arguments.payload)).collect();
        println!("{all:#}");
    } else {
        let each: Vec<String> = letters.iter().map(|it| screen(it, arguments.payload)).collect();
        print!("{}", each.join("\n"));
    }
    Ok(Exit::Done)
}

/// All that is known of one dead letter; values only on request.
pub(super) fn screen(letter: &DeadLetter, payload: bool) -> String {
    let event = &letter.event;
    let plugins =
        if letter.generation.is_empty() { "none".to_owned() } else { letter.generation.join(" → ") };
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<12}{value}\n"));
    line("event", &event.id);
    line("lane", &letter.lane.to_string());
    line("key", &event.aggregate_id);
    line("type", &format!("{} of {}", event.event_type, event.aggregate_type));
    line("sequence", &event.sequence.to_string());
    line("written", &time::full(event.occurred_at));
    line("dead since", &time::full(letter.dead_at));
    line("error", &format!("{} {}", letter.code, letter.detail));
    line("attempts", &grouped(u64::from(letter.attempts)));
    line("blocked", &format!("{} of the same key behind it", counted(letter.blocked, "event")));
    line("plugins", &plugins);
    line("payload", &content(event.payload.as_deref(), payload));
    for (name, value) in &event.headers {
        line("header", &format!("{name}: {}", content(Some(value), payload)));
    }
    match &letter.messages {
        None => line("messages", "none: its plugins did not get that far"),
        Some(messages) => messages.iter().for_each(|it| line("message", &describe(it, payload))),
    }
    text.push_str(&format!("next        relay dead retry --id {}\n", event.id));
    text
}

fn describe(message: &Message, payload: bool) -> String {
    let place =
        if message.address.place.is_empty() { "the sink's own place" } else { &message.address.place };
    let body = match &message.body {
        Content::Unchanged => "the event's payload".to_owned(),
        Content::Absent => "no body".to_owned(),
        Content::Bytes(bytes) => content(Some(bytes), payload),
    };
    format!("slot {} to {place}: {body}", message.slot)
}

fn content(bytes: Option<&[u8]>, shown: bool) -> String {
    match bytes {
        None => "none (tombstone)".to_owned(),
        Some(bytes) if shown => match std::str::from_utf8(bytes) {
            Ok(text) => text.escape_default().to_string().replace("\\\"", "\""),
            Err(_) => format!("base64 {}", STANDARD.encode(bytes)),
        },
        Some(bytes) => format!("{}; --payload shows them", counted(bytes.len() as u64, "byte")),
    }
}

/// The same as JSON.
pub(super) fn json_letter(letter: &DeadLetter, payload: bool) -> Value {
    let event = &letter.event;
    let message = |it: &Message| {
        let body = match &it.body {
            Content::Bytes(bytes) if payload => json_bytes(bytes),
            Content::Bytes(_) | Content::Unchanged | Content::Absent => Value::Null,
        };
        let changed = it.body != Content::Unchanged;
        json!({ "slot": it.slot, "place": it.address.place, "body_changed": changed, "body": body })
    };
    let mut value = json!({
        "event": event.id,
        "pipeline": letter.lane.pipeline,
        "sink": letter.lane.sink,
        "key": event.aggregate_id,
        "aggregate_type": event.aggregate_type,
        "type": event.event_type,
        "sequence": event.sequence,
        "written": time::full(event.occurred_at),
        "dead_since": time::full(letter.dead_at),
        "code": letter.code,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "blocked": letter.blocked,
        "plugins": letter.generation,
        "payload_bytes": event.payload.as_ref().map(Vec::len),
        "messages": letter.messages.as_ref().map(|all| all.iter().map(message).collect::<Vec<_>>()),
    });
    if payload {
        let headers: Vec<_> = event.headers.iter().map(|(name, it)| json!([name, json_bytes(it)])).collect();
        value["payload"] = event.payload.as_deref().map_or(Value::Null, json_bytes);
        value["headers"] = headers.into();
    }
    value
}

fn json_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}
