//! What is hidden of one event, wherever it stands.
//!
//! A value at a hidden place is hidden there and in everything else that the event shows: a plugin may have moved it into
//! a key, an address or a header, and a receiver may say it again in its error.

use std::borrow::Cow;
use std::collections::BTreeSet;

use relay_engine::route::percent_encode;
use relay_plugin_sdk::json::{Document, Kind, Node};
use serde_json::Value;

use super::{HIDDEN, Redaction, without};

/// Values shorter than this are hidden in their places alone: elsewhere they would take half of the text with them.
const SHORTEST: usize = 4;

/// The hidden values of one event.
#[derive(Debug)]
pub struct Secrets<'r> {
    redaction: &'r Redaction,
    values: BTreeSet<String>,
}

impl<'r> Secrets<'r> {
    /// Knows none yet.
    #[must_use]
    pub fn of(redaction: &'r Redaction) -> Self {
        Self { redaction, values: BTreeSet::new() }
    }

    /// What is hidden, of any event.
    #[must_use]
    pub fn redaction(&self) -> &'r Redaction {
        self.redaction
    }

    /// Learns what `document` holds at hidden places.
    pub fn learn(&mut self, document: Option<&[u8]>) {
        if !self.redaction.hides_places() {
            return;
        }
        let Some(document) = document.and_then(|it| Document::parse(it).ok()) else { return };
        let mut nodes = self.redaction.hidden_in(document);
        while let Some(node) = nodes.pop() {
            nodes.extend(node.members().map(|it| it.value));
            nodes.extend(node.elements());
            if matches!(node.kind(), Kind::Text | Kind::Number) {
                self.learn_value(&node.scalar().unwrap_or_default());
            }
        }
    }

    /// Learns the values of hidden headers.
    pub fn learn_headers<'h>(&mut self, headers: impl Iterator<Item = (&'h str, &'h [u8])>) {
        for (name, value) in headers {
            if self.redaction.hides_header(name) {
                self.learn_value(&String::from_utf8_lossy(value));
            }
        }
    }

    fn learn_value(&mut self, value: &str) {
        if value.len() >= SHORTEST {
            self.values.insert(value.to_owned());
            // As it stands inside of another JSON text.
            let quoted = Value::from(value).to_string();
            self.values.insert(quoted[1..quoted.len() - 1].to_owned());
            // As it stands in a path.
            let mut encoded = String::new();
            percent_encode(value, &mut encoded);
            self.values.insert(encoded);
        }
    }

    /// Text in which nothing hidden stands.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        // The longest first: one value may hold another.
        let mut values: Vec<_> = self.values.iter().filter(|it| text.contains(it.as_str())).collect();
        values.sort_by_key(|it| std::cmp::Reverse(it.len()));
        let hide = |text: Cow<'t, str>, value: &String| Cow::Owned(text.replace(value.as_str(), HIDDEN));
        values.into_iter().fold(Cow::Borrowed(text), hide)
    }

    /// A payload or body in which nothing hidden stands; `None` where it can't be looked into.
    #[must_use]
    pub fn document<'t>(&self, bytes: &'t [u8]) -> Option<Cow<'t, str>> {
        if !self.redaction.hides_places() || bytes.is_empty() {
            return std::str::from_utf8(bytes).ok().map(|it| self.text(it));
        }
        let document = Document::parse(bytes).ok()?;
        let mut hidden = self.redaction.hidden_in(document);
        hidden.extend(self.escaped_in(document));
        if hidden.is_empty() {
            return Some(self.text(document.text()));
        }
        Some(Cow::Owned(self.text(&without(document, &hidden)).into_owned()))
    }

    /// Texts of `document` that hold a hidden value in another writing, such as `\u0040` for `@`.
    fn escaped_in<'d>(&self, document: Document<'d>) -> Vec<Node<'d>> {
        if self.values.is_empty() || !document.text().contains('\\') {
            return Vec::new();
        }
        let (mut left, mut found) = (vec![document.root()], Vec::new());
        while let Some(node) = left.pop() {
            left.extend(node.members().map(|it| it.value));
            left.extend(node.elements());
            let escaped = node.kind() == Kind::Text && node.raw().contains('\\');
            if escaped && node.scalar().is_some_and(|it| self.values.iter().any(|value| it.contains(value))) {
                found.push(node);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_again_in_the_writings_of_paths_and_of_other_json() {
        let redaction = Redaction::new(&["/name".to_owned()], &[]).unwrap();
        let mut secrets = Secrets::of(&redaction);
        secrets.learn(Some("{\"name\":\"Jörg \\\"J\\\" @ home\"}".as_bytes()));
        assert_eq!(secrets.text("no Jörg \"J\" @ home here"), "no [redacted] here");
        assert_eq!(secrets.text("POST /to/J%C3%B6rg%20%22J%22%20%40%20home"), "POST /to/[redacted]");
        let other = r#"{"to": "J\u00f6rg \"J\" \u0040 home", "n": 1.50}"#;
        assert_eq!(secrets.document(other.as_bytes()).unwrap(), r#"{"to": "[redacted]", "n": 1.50}"#);
        let quoted = r#"{"inner": "{\"to\":\"Jörg \\\"J\\\" @ home\"}"}"#;
        assert!(!secrets.document(quoted.as_bytes()).unwrap().contains("rg"), "{quoted}");
    }
}
