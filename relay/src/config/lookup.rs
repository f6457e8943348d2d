//! `[lookup.NAME]`

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::codes;
use super::document::Text;
use super::model::{SourceAdapter, SourceConfig};
use super::references::Reference;
use super::section::Section;
use super::source::Named;
use crate::plugin::lookup::{DatabaseConfig, FileFormatConfig, LookupConfig, OriginConfig};

/// Some 200,000 rows of a hundred bytes; every plugin that reads it shares it.
const MAX: usize = 32 << 20;

/// Soon enough for what people change by hand, and no load for a database.
const REFRESH: Duration = Duration::from_secs(30);

/// What ends the name of a file in each format.
const FORMATS: &[(&str, FileFormatConfig)] = &[
    ("csv", FileFormatConfig::Csv),
    ("json", FileFormatConfig::Json),
    ("ndjson", FileFormatConfig::Ndjson),
    ("jsonl", FileFormatConfig::Ndjson),
];

pub(super) fn read_all(root: &Section<'_>, sources: &Named<SourceConfig>) -> Named<LookupConfig> {
    let mut all = Named { spots: BTreeMap::new(), adapters: BTreeMap::new() };
    for (name, section) in root.named("lookup") {
        all.spots.insert(name.value.clone(), name.spot.clone());
        if let Some(origin) = read_origin(&section, sources) {
            let max = section.size("max", MAX, 1 << 10..=4 << 30);
            let refresh = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
            let refresh = section.duration("refresh", REFRESH, refresh);
            section.finish();
            all.adapters.insert(name.value.clone(), LookupConfig { name: name.value, origin, max, refresh });
        }
    }
    all
}

/// Without an origin there is no saying which other keys belong there, so the rest of the table is passed over then.
fn read_origin(section: &Section<'_>, sources: &Named<SourceConfig>) -> Option<OriginConfig> {
    let (file, query) = (section.text("file"), section.text("query"));
    match (file, query) {
        (Some(file), None) => Some(read_file(section, &file)),
        (None, Some(query)) => read_query(section, query.value, sources),
        (Some(_), Some(query)) => {
            let message = "a lookup table comes from a file or from a query, not from both".to_owned();
            section.document.error(codes::CONFLICT, &query.spot, message, "leave out one of file and query");
            None
        }
        (None, None) => {
            section.missing("file", "a file of rows, or query = \"SELECT …\" with source or url");
            None
        }
    }
}

fn read_file(section: &Section<'_>, file: &Text) -> OriginConfig {
    let path = section.document.resolve(&file.value);
    let names: Vec<&'static str> = FORMATS.iter().map(|(name, _)| *name).collect();
    let ending = |path: &Path| {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        names.iter().copied().find(|it| *it == ending)
    };
    let name = match (ending(&path), section.entry("format")) {
        (Some(name), _) => section.choice("format", &names, name),
        (None, Some(_)) => section.choice("format", &names, "csv"),
        (None, None) => {
            section.missing("format", "the file's name does not say it; allowed: csv, json, ndjson, jsonl");
            "csv"
        }
    };
    let format = FORMATS.iter().find(|it| it.0 == name).map_or(FileFormatConfig::Csv, |it| it.1);
    let key = section.text("key").map(|it| it.value);
    if key.is_none() && format != FileFormatConfig::Json {
        section.missing("key", "the column whose values are the keys");
    }
    OriginConfig::File { path, format, key }
}

fn read_query(section: &Section<'_>, query: String, sources: &Named<SourceConfig>) -> Option<OriginConfig> {
    let key = section.required_text("key", "the column of the query whose values are the keys").value;
    let (source, url) = (section.text("source"), section.entry("url"));
    let database = match (source, url) {
        (Some(source), None) => of_source(section, &source, sources),
        (None, Some(url)) => url.secret().and_then(|url| of_url(section, &url)),
        (Some(source), Some(_)) => {
            let message = "a query asks the database of a source or that of a URL, not both".to_owned();
            section.document.error(codes::CONFLICT, &source.spot, message, "leave out one of source and url");
            None
        }
        (None, None) => {
            section.missing("source", "whose database is asked; or url = \"postgres://…\"");
            None
        }
    };
    Some(OriginConfig::Query { database: database?, query, key })
}

fn of_source(section: &Section<'_>, name: &Text, sources: &Named<SourceConfig>) -> Option<DatabaseConfig> {
    let known: Vec<&str> = sources.spots.keys().map(String::as_str).collect();
    let who = format!("{:?} names", section.spot.path);
    let reference = Reference { who: &who, noun: "source", code: codes::NO_SUCH_SOURCE };
    reference.check(section.document, name, &known);
    Some(match &sources.adapters.get(&name.value)?.adapter {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => DatabaseConfig::Postgres(config.url.clone()),
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => DatabaseConfig::Sqlite(config.path.clone()),
    })
}

fn of_url(section: &Section<'_>, url: &Text) -> Option<DatabaseConfig> {
    let of_postgres = ["postgres://", "postgresql://"];
    if of_postgres.iter().any(|it| url.value.strip_prefix(it).is_some_and(|rest| !rest.is_empty())) {
        return Some(DatabaseConfig::Postgres(url.value.clone()));
    }
    if let Some(path) = url.value.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
        return Some(DatabaseConfig::Sqlite(section.document.resolve(path)));
    }
    let allowed = "allowed: postgres://user:password@host:port/database, sqlite:path";
    let message = "this is not the URL of a database that can be asked".to_owned();
    section.document.error(codes::ADDRESS, &url.spot, message, allowed);
    None
}
