//! The statements of the poll, composed into scripts of one round trip each.
//!
//! They go through the simple protocol with numbers written into them: nothing is prepared, so a pooler in
//! transaction mode can't break them, no generic plan can replace the one that fits, and a whole poll is one
//! round trip. Only numbers, quoted identifiers and the statements beside this file ever get in.

use std::time::Duration;

use relay_engine::event::Shard;

use super::PostgresSourceConfig;
use super::place::Place;
use super::rows::PayloadType;
use super::snapshot::{Snapshot, list};
use crate::source::Backlog;

const PROBE: &str = include_str!("probe.sql");
const FRESH: &str = include_str!("fresh.sql");
const LATE: &str = include_str!("late.sql");
const PAGE: &str = include_str!("page.sql");
const BACKLOG: &str = include_str!("backlog.sql");
const BOUNDS: &str = include_str!("bounds.sql");

/// What the rows of one statement of a script are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// No rows, or rows that say nothing.
    Silent,
    /// Snapshot, log position and timeline.
    Probe,
    /// Rows of transactions that began to matter after the cursor.
    Fresh,
    /// Rows of transactions that ran when the cursor was taken.
    Late,
    /// How far the log is flushed.
    Flushed,
}

/// Statements for one round trip.
#[derive(Debug, Default)]
pub(super) struct Script {
    sql: String,
    parts: Vec<Part>,
}

impl Script {
    /// An empty script that ends whatever a dropped call left open.
    pub(super) fn after_dropped_call(dropped: bool) -> Self {
        let script = Self::default();
        if dropped { script.then(Part::Silent, "ROLLBACK") } else { script }
    }

    /// Appends a statement.
    pub(super) fn then(mut self, part: Part, statement: &str) -> Self {
        self.sql.push_str(statement.trim_end().trim_end_matches(';'));
        self.sql.push_str(";\n");
        self.parts.push(part);
        self
    }

    /// Puts the statements of `other` behind these.
    pub(super) fn followed_by(mut self, other: &Self) -> Self {
        self.sql.push_str(&other.sql);
        self.parts.extend_from_slice(&other.parts);
        self
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn part(&self, index: usize) -> Part {
        self.parts.get(index).copied().unwrap_or(Part::Silent)
    }
}

/// Sequences from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Where the rows of a delta lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    pub(super) fresh: Option<Range>,
    pub(super) late: Option<Range>,
}

impl Ranges {
    /// All sequences, and no late rows.
    pub(super) fn everything() -> Self {
        Self { fresh: Some(Range { first: 0, last: i64::MAX }), late: None }
    }

    /// What of them lies above `after`.
    pub(super) fn above(self, after: i64) -> Self {
        let first = after.saturating_add(1);
        let above =
            |range: Range| (range.last >= first).then_some(Range { first: range.first.max(first), ..range });
        Self { fresh: self.fresh.and_then(above), late: self.late.and_then(above) }
    }
}

/// The statements of one outbox table.
#[derive(Debug)]
pub(super) struct Statements {
    table: String,
    sequence: String,
    id: String,
    columns: String,
    /// The time of an event as text, or NULL.
    time: String,
    /// What divides keys into shards.
    key_hash: String,
    /// What a row has to meet beside being new.
    mine: String,
    timeout: Duration,
}

/// A scan for the bounds of a delta happens once per delta and reads every row of it, so it may take longer
/// than a statement of the poll: at a million rows a second this is room for a backlog of 600 million.
pub(super) const BOUNDS_TIMEOUT: Duration = Duration::from_mins(10);

/// A compressed value is at most this much larger than what is stored of it, with either of the server's methods.
const COMPRESSION: usize = 256;

impl Statements {
    /// The statements for the table of `config`, whose payload column is of type `payload`.
    pub(super) fn new(config: &PostgresSourceConfig, payload: PayloadType) -> Self {
        let columns = &config.columns;
        let names = [
            &columns.sequence,
            &columns.id,
            &columns.aggregate_type,
            &columns.aggregate_id,
            &columns.event_type,
        ];
        let mut selected: Vec<String> = names.into_iter().map(|name| identifier(name)).collect();
        let name = identifier(&columns.payload);
        let (size, large) = measured(&name, payload, config.max_payload);
        selected.push(format!("CASE WHEN {large} THEN NULL ELSE {name} END"));
        selected.push(format!("CASE WHEN {large} THEN {size} END"));
        let optional = columns.headers.iter().chain(&columns.occurred_at).chain(&columns.attributes);
        selected.extend(optional.map(|name| identifier(name)));
        Self {
            table: format!("{}.{}", identifier(&config.schema), identifier(&config.table)),
            sequence: identifier(&columns.sequence),
            id: identifier(&columns.id),
            columns: selected.join(", "),
            time: columns
                .occurred_at
                .as_ref()
                .map_or_else(|| "NULL::text".to_owned(), |name| format!("{}::text", identifier(name))),
            key_hash: key_hash(&identifier(&columns.aggregate_id)),
            mine: of_shard(&identifier(&columns.aggregate_id), config.shard),
            timeout: config.statement_timeout,
        }
    }

    /// Reads what is new since `cursor`, at most `limit` rows of each kind.
    pub(super) fn poll(&self, cursor: &Snapshot, limit: usize) -> Script {
        let limit = limit.to_string();
        let fresh = self.fill(FRESH).replace("{xmax}", &cursor.xmax.to_string()).replace("{limit}", &limit);
        let mut script = self.begin(self.timeout).then(Part::Fresh, &fresh);
        if !cursor.running.is_empty() {
            let late =
                self.fill(LATE).replace("{running}", &list(&cursor.running)).replace("{limit}", &limit);
            script = script.then(Part::Late, &late);
        }
        script.then(Part::Flushed, "SELECT pg_current_wal_flush_lsn()::text").then(Part::Silent, "COMMIT")
    }

    /// Finds the lowest and highest sequence of what `target` sees beyond `cursor`.
    pub(super) fn bounds(&self, cursor: &Snapshot, target: &Snapshot) -> Script {
        let fresh = self.fill(BOUNDS).replace("{condition}", &fresh_condition(cursor, target));
        let mut script = self.begin(BOUNDS_TIMEOUT.max(self.timeout)).then(Part::Fresh, &fresh);
        if let Some(condition) = late_condition(cursor, target) {
            script = script.then(Part::Late, &self.fill(BOUNDS).replace("{condition}", &condition));
        }
        script.then(Part::Silent, "COMMIT")
    }

    /// Reads the next `limit` rows of each part of what `target` sees beyond `cursor`.
    pub(super) fn page(&self, cursor: &Snapshot, target: &Snapshot, ranges: Ranges, limit: usize) -> Script {
        let mut script = self.begin(self.timeout);
        if let Some(range) = ranges.fresh {
            let page = self.one_page(range, &fresh_condition(cursor, target), limit);
            script = script.then(Part::Fresh, &page);
        }
        if let (Some(range), Some(condition)) = (ranges.late, late_condition(cursor, target)) {
            script = script.then(Part::Late, &self.one_page(range, &condition, limit));
        }
        script.then(Part::Silent, "COMMIT")
    }

    fn one_page(&self, range: Range, condition: &str, limit: usize) -> String {
        self.fill(PAGE)
            .replace("{condition}", condition)
            .replace("{first}", &range.first.to_string())
            .replace("{last}", &range.last.to_string())
            .replace("{limit}", &limit.to_string())
    }

    /// Begins a transaction whose statements all see one snapshot, and asks for it.
    fn begin(&self, timeout: Duration) -> Script {
        let probe = PROBE.replace("{statement_timeout}", &timeout.as_millis().to_string());
        Script::default()
            .then(Part::Silent, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .then(Part::Probe, &probe)
    }

    /// The newest rows, newest first.
    pub(super) fn newest(&self, count: usize) -> String {
        self.fill(include_str!("newest.sql")).replace("{limit}", &count.to_string())
    }

    /// The first row that `condition` takes, with its transaction and how many rows it takes.
    pub(super) fn find(&self, condition: &str) -> String {
        self.fill(include_str!("find.sql")).replace("{condition}", condition)
    }

    /// Counts what is committed beyond `place`, of which everything up to the sequence `after` of its target is passed.
    pub(super) fn backlog(&self, place: &Place, after: u64) -> String {
        let Place { cursor, target, .. } = place;
        let rest = target.as_ref().map_or_else(String::new, |target| {
            let seen =
                format!("txid < {} AND txid <> ALL ('{{{}}}'::bigint[])", target.xmax, list(&target.running));
            format!(" AND NOT ({seen} AND {} <= {after})", self.sequence)
        });
        self.fill(BACKLOG)
            .replace("{time}", &self.time)
            .replace("{xmax}", &cursor.xmax.to_string())
            .replace("{running}", &list(&cursor.running))
            .replace("{rest}", &rest)
            .replace("{limit}", &Backlog::MOST.to_string())
    }

    /// The ids of the rows with these sequences.
    pub(super) fn ids(&self, sequences: &[u64]) -> String {
        self.fill(include_str!("ids.sql")).replace("{id}", &self.id).replace("{sequences}", &list(sequences))
    }

    fn fill(&self, template: &str) -> String {
        template
            .replace("{columns}", &self.columns)
            .replace("{table}", &self.table)
            .replace("{key_hash}", &self.key_hash)
            .replace("{mine}", &self.mine)
            .replace("{sequence}", &self.sequence)
    }
}

fn fresh_condition(cursor: &Snapshot, target: &Snapshot) -> String {
    let mut condition = format!("txid >= {} AND txid < {}", cursor.xmax, target.xmax);
    if !target.running.is_empty() {
        condition.push_str(&format!(" AND txid <> ALL ('{{{}}}'::bigint[])", list(&target.running)));
    }
    condition
}

fn late_condition(cursor: &Snapshot, target: &Snapshot) -> Option<String> {
    let ended = cursor.ended_by(target);
    (!ended.is_empty()).then(|| format!("txid = ANY ('{{{}}}'::bigint[])", list(&ended)))
}

/// Whether the key in `column` belongs to `shard`, as a condition to append.
///
/// The server hashes the key's bytes, whatever the column's type and collation, with the function that its own hash
/// partitioning relies on: its result is the same for as long as a cluster keeps its system identifier, and a position
/// holds no longer.
fn of_shard(column: &str, shard: Shard) -> String {
    if shard == Shard::WHOLE {
        return String::new();
    }
    let Shard { index, of } = shard;
    format!(" AND {} % {of} = {index}", key_hash(column))
}

/// The number that decides to which shard a key belongs: its rest when divided by the number of shards.
fn key_hash(column: &str) -> String {
    format!("(hashtextextended(coalesce({column}::text, '') COLLATE \"C\", 0) & {})", i64::MAX)
}

/// How to ask for the bytes of the payload `column`, and whether they are more than `most`.
///
/// The length of text and bytes stands in the value's header, and no part of it has to be fetched. A JSON value has to
/// be written out to be measured, so that is done only where what is stored of it could be compressed from more.
fn measured(column: &str, payload: PayloadType, most: usize) -> (String, String) {
    match payload {
        PayloadType::Text | PayloadType::Bytes => {
            (format!("octet_length({column})"), format!("octet_length({column}) > {most}"))
        }
        PayloadType::Json => {
            let size = format!("octet_length({column}::text)");
            let large = format!("(pg_column_size({column}) > {} AND {size} > {most})", most / COMPRESSION);
            (size, large)
        }
    }
}

/// `name` as a quoted identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a string literal, whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
