//! Reads a table from a file.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::config::FileFormatConfig;
use super::csv::Records;
use super::error::LookupError;
use crate::plugin::tables::Table;

/// What a file of rows is, and how much its table may take.
pub(super) struct RowFile<'c> {
    pub(super) path: &'c Path,
    pub(super) format: FileFormatConfig,
    pub(super) key: Option<&'c str>,
    pub(super) max: usize,
}

impl RowFile<'_> {
    /// The table that the file holds; `None` where somebody writes it just now. Blocks its thread.
    pub(super) fn read(&self) -> Result<Option<Table>, LookupError> {
        let Some(text) = self.text()? else { return Ok(None) };
        let filling = Filling { table: Table::default(), file: self };
        let filled = match self.format {
            FileFormatConfig::Csv => filling.csv(&text),
            FileFormatConfig::Json => filling.json(&text),
            FileFormatConfig::Ndjson => filling.ndjson(&text),
        };
        filled.map(Some)
    }

    fn text(&self) -> Result<Option<String>, LookupError> {
        let shown = self.path.display();
        let unreadable = |error: std::io::Error| {
            LookupError::new(format!("{shown} can't be read: {error}"), "correct its path or its permissions")
        };
        let file = File::open(self.path).map_err(unreadable)?;
        let before = file.metadata().map_err(unreadable)?;
        if !before.is_file() {
            return Err(LookupError::new(format!("{shown} is not a file"), "correct its path"));
        }
        let mut bytes = Vec::new();
        (&file).take(self.max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > self.max {
            let what = format!("{shown} has more bytes than the {} that its table may take", self.max);
            return Err(LookupError::new(what, "leave out what plugins do not need, or raise its `max`"));
        }
        if stamp(&before) != stamp(&file.metadata().map_err(unreadable)?) {
            return Ok(None);
        }
        String::from_utf8(bytes).map(Some).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            LookupError::new(format!("{shown} is not UTF-8 at byte {at}"), "write it as UTF-8")
        })
    }
}

fn stamp(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

struct Filling<'f> {
    table: Table,
    file: &'f RowFile<'f>,
}

impl Filling<'_> {
    fn csv(mut self, text: &str) -> Result<Table, LookupError> {
        let (shown, key) = (self.file.path.display(), self.file.key.unwrap_or_default());
        let wrong = |why: String| LookupError::new(format!("{shown}: {why}"), "write it as RFC 4180 says");
        let mut records = Records::new(text);
        let Some(names) = records.next().map_err(wrong)? else {
            return Err(LookupError::new(
                format!("{shown} is empty"),
                "begin it with a line of column names",
            ));
        };
        let names = names.fields;
        let Some(place) = names.iter().position(|it| it == key) else {
            let what = format!("{shown} has no column {key:?}; its columns: {}", names.join(", "));
            return Err(LookupError::new(what, "correct `key`"));
        };
        while let Some(record) = records.next().map_err(wrong)? {
            let (line, fields) = (record.line, record.fields);
            if fields.len() != names.len() {
                return Err(wrong(format!(
                    "line {line} has {} values for {} columns",
                    fields.len(),
                    names.len()
                )));
            }
            let key = fields[place].clone();
            let row: Map<String, Value> =
                names.iter().cloned().zip(fields.into_iter().map(Value::String)).collect();
            let value = Value::Object(row).to_string();
            self.table
                .insert(&key, value.as_bytes(), self.file.max)
                .map_err(|unfit| LookupError::unfit(format_args!("{shown}, line {line}"), unfit))?;
        }
        Ok(self.table)
    }

    fn ndjson(mut self, text: &str) -> Result<Table, LookupError> {
        let shown = self.file.path.display();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = format!("{shown}, line {}", index + 1);
            let wrong = |why: &dyn fmt::Display| {
                LookupError::new(format!("{place}: {why}"), "write one JSON object a line")
            };
            let row: Value = serde_json::from_str(line).map_err(|error| wrong(&told(&error)))?;
            let key = key_of(&row, self.file.key.unwrap_or_default()).map_err(|why| wrong(&why))?;
            self.table
                .insert(&key, row.to_string().as_bytes(), self.file.max)
                .map_err(|unfit| LookupError::unfit(&place, unfit))?;
        }
        Ok(self.table)
    }

    fn json(mut self, text: &str) -> Result<Table, LookupError> {
        let shown = self.file.path.display();
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Rows(&mut self).deserialize(&mut json).and_then(|()| json.end());
        read.map_err(|error| {
            let remedy = match self.file.key {
                Some(key) => {
                    format!("write a list of objects, each with {key:?} of its own, within its `max`")
                }
                None => {
                    "write an object of values by key, within its `max`, or set `key` for a list".to_owned()
                }
            };
            let what = match error.is_data() && !is_ours(&error) {
                true if self.file.key.is_some() => "it is no list of objects".to_owned(),
                true => "it is no object of values by key".to_owned(),
                false => told(&error),
            };
            LookupError::new(format!("{shown}: {what}"), remedy)
        })?;
        Ok(self.table)
    }
}

/// How our own errors about rows begin; those of the parser quote what they found, which may be anybody's data.
const OURS: [&str; 2] = ["row ", "value "];

fn is_ours(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    OURS.iter().any(|it| text.starts_with(it))
}

/// An error without what it quotes of the file.
fn told(error: &serde_json::Error) -> String {
    if is_ours(error) {
        return error.to_string();
    }
    format!("this is not JSON, at line {} column {}", error.line(), error.column())
}

/// The key of a row: text as it is, a number as it is written.
fn key_of(row: &Value, column: &str) -> Result<String, String> {
    let Value::Object(row) = row else { return Err("a row is no object".to_owned()) };
    match row.get(column) {
        Some(Value::String(key)) => Ok(key.clone()),
        Some(Value::Number(key)) => Ok(key.to_string()),
        Some(_) => Err(format!("{column:?} of a row is neither a text nor a number")),
        None => Err(format!("a row has no {column:?}")),
    }
}

/// Reads row by row: a parsed file would take many times the memory of its table.
struct Rows<'r, 'f>(&'r mut Filling<'f>);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.0.file.key {
            Some(_) => from.deserialize_seq(self),
            None => from.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.file.key.is_some() {
            "a list of objects"
        } else {
            "an object of values by key"
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Filling { table, file } = self.0;
        let mut number = 0;
        while let Some(row) = rows.next_element::<Value>()? {
            number += 1;
            let wrong = |why: &dyn fmt::Display| A::Error::custom(format_args!("row {number}: {why}"));
            let key = key_of(&row, file.key.unwrap_or_default()).map_err(|why| wrong(&why))?;
            table.insert(&key, row.to_string().as_bytes(), file.max).map_err(|unfit| wrong(&unfit))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Filling { table, file } = self.0;
        let mut number = 0;
        while let Some((key, value)) = rows.next_entry::<String, Value>()? {
            number += 1;
            table
                .insert(&key, value.to_string().as_bytes(), file.max)
                .map_err(|unfit| A::Error::custom(format_args!("value {number}: {unfit}")))?;
        }
        Ok(())
    }
}
