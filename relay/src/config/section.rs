//! One table of the file, read key by key; what nobody asked for is an error.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::codes;
use super::document::{Document, Spot, Text};
use super::values::{Entry, allowed_words};

/// One table of the file.
pub(super) struct Section<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) spot: Spot,
    table: &'d DeTable<'d>,
    known: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    pub(super) fn new(document: &'d Document<'d>, table: &'d DeTable<'d>, spot: Spot) -> Self {
        Self { document, spot, table, known: RefCell::default() }
    }

    /// The value of `key`, which is known from now on.
    pub(super) fn entry(&self, key: &'static str) -> Option<Entry<'d>> {
        self.known.borrow_mut().push(key);
        let value = self.table.get(key)?;
        let spot = Spot { span: value.span(), path: self.path_of(key) };
        Some(Entry { document: self.document, value: value.get_ref(), spot })
    }

    /// A string, filled in.
    pub(super) fn text(&self, key: &'static str) -> Option<Text> {
        self.entry(key)?.text()
    }

    /// A string that only the user knows; `purpose` ends the sentence "needs … :".
    pub(super) fn required_text(&self, key: &'static str, purpose: &str) -> Text {
        match self.entry(key) {
            Some(entry) => entry.text().unwrap_or_default(),
            None => {
                self.missing(key, purpose);
                Text::default()
            }
        }
    }

    /// A string that never shows up in an error, or `file:` and the path of one.
    pub(super) fn secret(&self, key: &'static str) -> Option<Text> {
        self.entry(key)?.secret()
    }

    /// One of `allowed`.
    pub(super) fn choice(
        &self,
        key: &'static str,
        allowed: &[&'static str],
        default: &'static str,
    ) -> &'static str {
        let Some(text) = self.text(key) else { return default };
        if let Some(chosen) = allowed.iter().find(|it| **it == text.value) {
            return chosen;
        }
        let message = format!("{:?} is not a value of {key:?}", text.value);
        self.document.error(codes::NOT_ALLOWED, &text.spot, message, allowed_words(&text.value, allowed));
        default
    }

    pub(super) fn duration(
        &self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.entry(key).and_then(|it| it.duration(range)).unwrap_or(default)
    }

    /// Bytes.
    pub(super) fn size(&self, key: &'static str, default: usize, range: RangeInclusive<usize>) -> usize {
        self.entry(key).and_then(|it| it.size(range)).unwrap_or(default)
    }

    pub(super) fn count(&self, key: &'static str, default: usize, range: RangeInclusive<usize>) -> usize {
        self.entry(key).and_then(|it| it.count(range)).unwrap_or(default)
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let Some(entry) = self.entry(key) else { return default };
        match entry.value {
            DeValue::Boolean(flag) => *flag,
            _ => entry.wrong_type("true or false").unwrap_or(default),
        }
    }

    /// A list of strings; empty where the key is not there.
    pub(super) fn texts(&self, key: &'static str) -> Vec<Text> {
        self.entry(key).map(|it| it.texts()).unwrap_or_default()
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        self.entry(key)?.section()
    }

    /// All keys with their values, for tables whose keys are the user's own; every one is known then.
    pub(super) fn entries(&self) -> Vec<(Text, Entry<'d>)> {
        let each = |(key, value): (&'d toml::Spanned<_>, &'d toml::Spanned<DeValue<'d>>)| {
            let name: &std::borrow::Cow<'d, str> = key.get_ref();
            let path = self.path_of(name);
            let entry = Entry {
                document: self.document,
                value: value.get_ref(),
                spot: Spot { span: value.span(), path: path.clone() },
            };
            (Text { value: name.to_string(), spot: Spot { span: key.span(), path } }, entry)
        };
        self.table.iter().map(each).collect()
    }

    /// Named tables below `key`, as `[sink.events]`: each with its name, which is checked.
    pub(super) fn named(&self, key: &'static str) -> Vec<(Text, Section<'d>)> {
        let Some(all) = self.section(key) else { return Vec::new() };
        let each = |(name, entry): (Text, Entry<'d>)| {
            self.check_name(&name);
            let section = entry.section()?;
            Some((name.clone(), Section { spot: name.spot, ..section }))
        };
        all.entries().into_iter().filter_map(each).collect()
    }

    /// Says that `key` has to be given.
    pub(super) fn missing(&self, key: &str, purpose: &str) {
        let message = format!("{:?} needs {key:?}", self.spot.path);
        self.document.error(codes::MISSING_KEY, &self.spot, message, purpose);
    }

    /// Says of every key that nobody asked for that it is unknown.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let spot = Spot { span: key.span(), path: self.path_of(name) };
            let mut sorted = known.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let message = match self.spot.path.as_str() {
                "" => format!("{name:?} is not a key of the configuration"),
                path => format!("{name:?} is not a key of {path:?}"),
            };
            self.document.error(codes::UNKNOWN_KEY, &spot, message, allowed_words(name, &sorted));
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.spot.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.spot.path) }
    }

    fn check_name(&self, name: &Text) {
        let fits = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '_';
        if name.value.is_empty() || !name.value.chars().all(fits) {
            let message = format!("{:?} is not a name", name.value);
            let allowed =
                "allowed: a-z, 0-9, \"-\" and \"_\", as names become parts of idempotency keys and metrics";
            self.document.error(codes::NAME, &name.spot, message, allowed);
        }
    }
}
