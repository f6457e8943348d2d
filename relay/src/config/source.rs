//! `[source.NAME]`

use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(feature = "postgres")]
use relay_engine::event::Shard;

use super::codes;
use super::document::{Spot, Text};
use super::model::{FirstStart, SourceAdapter, SourceConfig};
use super::section::Section;
use super::values::did_you_mean;
use crate::source::Columns;

/// Pause between empty polls while events flow: the grain of the timer, as a shorter one is rounded up to it.
#[cfg(feature = "postgres")]
const POSTGRES_POLL_BUSY: Duration = Duration::from_millis(1);
/// An idle relay asks ten times a second: a first event waits 50 ms on average.
#[cfg(feature = "postgres")]
const POSTGRES_POLL_IDLE: Duration = Duration::from_millis(100);
/// Longer than any of the relay's statements takes on a healthy server, shorter than an operator's patience.
#[cfg(feature = "postgres")]
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// SQLite answers within microseconds, and every poll takes a read lock.
#[cfg(feature = "sqlite")]
const SQLITE_POLL_BUSY: Duration = Duration::from_millis(2);
/// A poll of a file costs no server anything.
#[cfg(feature = "sqlite")]
const SQLITE_POLL_IDLE: Duration = Duration::from_millis(50);
/// Below, a poll loop would only burn a processor; above, it looks like an outage.
const POLL_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_micros(100)..=Duration::from_secs(60);

/// More than any broker takes by default, and little beside a lane's window.
const MAX_PAYLOAD: usize = 16 << 20;
/// Up to what a batch can hold.
const PAYLOAD_RANGE: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 30;

const TYPES: &[&str] = &["postgres", "sqlite"];

/// What was read, and where each name stands, also of what could not be read.
pub(super) struct Named<T> {
    pub(super) spots: BTreeMap<String, Spot>,
    pub(super) adapters: BTreeMap<String, T>,
}

pub(super) fn read_all(root: &Section<'_>) -> Named<SourceConfig> {
    let mut all = Named { spots: BTreeMap::new(), adapters: BTreeMap::new() };
    for (name, section) in root.named("source") {
        all.spots.insert(name.value.clone(), name.spot.clone());
        let start = read_start(&name.value, &section);
        if let Some(adapter) = read_adapter(&name.value, &section) {
            all.adapters.insert(name.value, SourceConfig { start, adapter });
        }
    }
    all
}

fn read_start(name: &str, section: &Section<'_>) -> FirstStart {
    if section.entry("start").is_none() {
        let message = format!("source {name:?} does not say where its first run starts");
        let allowed = "start = \"now\": with what commits from then on; start = \"beginning\": with the oldest row. \
                       There is no default: one would publish years of old events, the other leave out what is waiting";
        section.document.error(codes::NO_START, &section.spot, message, allowed);
    }
    match section.choice("start", &["beginning", "now"], "now") {
        "beginning" => FirstStart::Beginning,
        _ => FirstStart::Now,
    }
}

fn read_adapter(name: &str, section: &Section<'_>) -> Option<SourceAdapter> {
    let kind = read_type(section, "source", TYPES)?;
    match kind.as_str() {
        #[cfg(feature = "postgres")]
        "postgres" => {
            let adapter = read_postgres(name, section);
            section.finish();
            Some(SourceAdapter::Postgres(adapter))
        }
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let adapter = read_sqlite(name, section);
            section.finish();
            Some(SourceAdapter::Sqlite(adapter))
        }
        _ => None,
    }
}

/// The type of a source or sink. Without a type that is known and built in there is no saying which other
/// keys belong there, so the rest of the table is passed over then.
pub(super) fn read_type(section: &Section<'_>, noun: &str, types: &[&str]) -> Option<String> {
    let list = types.join(", ");
    let Some(entry) = section.entry("type") else {
        section.missing("type", &format!("allowed: {list}"));
        return None;
    };
    let kind = entry.text()?;
    let built_in: Vec<&str> = types.iter().copied().filter(|it| is_built_in(it)).collect();
    if built_in.contains(&kind.value.as_str()) {
        return Some(kind.value);
    }
    if types.contains(&kind.value.as_str()) {
        let message = format!("this relay is built without the {noun} type {:?}", kind.value);
        let allowed = format!("built in: {}; build with --features {}", built_in.join(", "), kind.value);
        section.document.error(codes::NOT_BUILT_IN, &kind.spot, message, allowed);
    } else {
        let message = format!("{:?} is not a {noun} type", kind.value);
        let allowed = format!("allowed: {list}{}", did_you_mean(&kind.value, types));
        section.document.error(codes::UNKNOWN_TYPE, &kind.spot, message, allowed);
    }
    None
}

fn is_built_in(kind: &str) -> bool {
    match kind {
        "postgres" => cfg!(feature = "postgres"),
        "sqlite" => cfg!(feature = "sqlite"),
        "kafka" => cfg!(feature = "kafka"),
        "nats" => cfg!(feature = "nats"),
        "http" => cfg!(feature = "http"),
        _ => true,
    }
}

#[cfg(feature = "postgres")]
fn read_postgres(name: &str, section: &Section<'_>) -> crate::source::postgres::PostgresSourceConfig {
    let url = read_database_url(section);
    let (schema, table) = read_table(section);
    crate::source::postgres::PostgresSourceConfig {
        name: name.to_owned(),
        url,
        schema,
        table,
        columns: read_columns(section),
        max_payload: section.size("max_payload", MAX_PAYLOAD, PAYLOAD_RANGE),
        poll_busy: section.duration("poll_busy", POSTGRES_POLL_BUSY, POLL_RANGE),
        poll_idle: section.duration("poll_idle", POSTGRES_POLL_IDLE, POLL_RANGE),
        shard: Shard::WHOLE,
        statement_timeout: section.duration(
            "statement_timeout",
            STATEMENT_TIMEOUT,
            Duration::from_millis(100)..=Duration::from_secs(3600),
        ),
    }
}

#[cfg(feature = "postgres")]
fn read_database_url(section: &Section<'_>) -> String {
    let Some(entry) = section.entry("url") else {
        section.missing(
            "url",
            "the database that holds the outbox, as in \"postgres://user@host:5432/database\"",
        );
        return String::new();
    };
    let Some(url) = entry.secret() else { return String::new() };
    let rest = url.value.strip_prefix("postgres://").or_else(|| url.value.strip_prefix("postgresql://"));
    if rest.is_none_or(str::is_empty) {
        let message = "this is not the URL of a Postgres database".to_owned();
        let allowed = "allowed: postgres://user:password@host:port/database";
        section.document.error(codes::ADDRESS, &url.spot, message, allowed);
    }
    url.value
}

#[cfg(feature = "postgres")]
fn read_table(section: &Section<'_>) -> (String, String) {
    let default = || ("public".to_owned(), "outbox".to_owned());
    let Some(text) = section.text("table") else { return default() };
    let parts: Vec<&str> = text.value.split('.').collect();
    match parts.as_slice() {
        [table] if !table.is_empty() => ("public".to_owned(), (*table).to_owned()),
        [schema, table] if !schema.is_empty() && !table.is_empty() => {
            ((*schema).to_owned(), (*table).to_owned())
        }
        _ => {
            wrong_table(section, &text, "allowed: \"table\" or \"schema.table\"");
            default()
        }
    }
}

#[cfg(feature = "sqlite")]
fn read_sqlite(name: &str, section: &Section<'_>) -> crate::source::sqlite::SqliteSourceConfig {
    let path = section.required_text("path", "the database file that holds the outbox");
    let table = match section.text("table") {
        None => "outbox".to_owned(),
        Some(text) if text.value.is_empty() || text.value.contains('.') => {
            wrong_table(section, &text, "allowed: the name of a table of this file");
            String::new()
        }
        Some(text) => text.value,
    };
    crate::source::sqlite::SqliteSourceConfig {
        name: name.to_owned(),
        path: section.document.resolve(&path.value),
        table,
        columns: read_columns(section),
        max_payload: section.size("max_payload", MAX_PAYLOAD, PAYLOAD_RANGE),
        poll_busy: section.duration("poll_busy", SQLITE_POLL_BUSY, POLL_RANGE),
        poll_idle: section.duration("poll_idle", SQLITE_POLL_IDLE, POLL_RANGE),
    }
}

fn wrong_table(section: &Section<'_>, text: &Text, allowed: &str) {
    let message = format!("{:?} is not the name of a table", text.value);
    section.document.error(codes::ADDRESS, &text.spot, message, allowed);
}

fn read_columns(section: &Section<'_>) -> Columns {
    let standard = Columns::default();
    let Some(columns) = section.section("columns") else { return standard };
    let name = |key, default: String| match columns.text(key) {
        Some(text) if text.value.is_empty() => {
            let message = format!("{:?} is not the name of a column", text.value);
            columns.document.error(codes::ADDRESS, &text.spot, message, "");
            default
        }
        Some(text) => text.value,
        None => default,
    };
    // `false` says that the table has no such column.
    let optional = |key, default: Option<String>| match columns.entry(key).map(|it| it.value) {
        Some(toml::de::DeValue::Boolean(false)) => None,
        _ => Some(name(key, default.unwrap_or_default())),
    };
    let read = Columns {
        id: name("id", standard.id),
        sequence: name("seq", standard.sequence),
        aggregate_type: name("aggregate_type", standard.aggregate_type),
        aggregate_id: name("key", standard.aggregate_id),
        event_type: name("type", standard.event_type),
        payload: name("payload", standard.payload),
        headers: optional("headers", standard.headers),
        occurred_at: optional("time", standard.occurred_at),
        attributes: columns.texts("attributes").into_iter().map(|it| it.value).collect(),
    };
    columns.finish();
    read
}
