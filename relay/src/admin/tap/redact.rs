//! Hides what somebody who attaches asked to have hidden.
//!
//! A value at a hidden place is taken out there, and wherever else the same record holds it: a plugin may have moved
//! it into a key, an address or a header, and a receiver may say it again in its error.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relay_plugin_sdk::json::{Document, Kind, Node};
use serde_json::{Value, json};

use super::TapRequest;
use super::place::Place;

/// What stands in place of a hidden value.
const HIDDEN: &str = "[redacted]";

/// Values shorter than this are hidden in their places alone: elsewhere they would take half of the text with them.
const SHORTEST: usize = 4;

/// What is hidden of everything that is shown.
#[derive(Debug)]
pub(super) struct Redaction {
    places: Vec<Place>,
    headers: Vec<String>,
    max_bytes: usize,
}

/// What is hidden of one record, and how its parts are shown.
#[derive(Debug)]
pub(super) struct Veil<'r> {
    redaction: &'r Redaction,
    secrets: BTreeSet<String>,
}

impl Redaction {
    pub(super) fn new(request: &TapRequest) -> Result<Self, String> {
        let places = request.redact.iter().map(|it| Place::parse(it)).collect::<Result<_, _>>()?;
        Ok(Self { places, headers: request.redact_headers.clone(), max_bytes: request.max_bytes })
    }

    /// Whether anything is hidden, so that records have to bring their whole events.
    pub(super) fn is_active(&self) -> bool {
        !self.places.is_empty() || !self.headers.is_empty()
    }

    pub(super) fn veil(&self) -> Veil<'_> {
        Veil { redaction: self, secrets: BTreeSet::new() }
    }

    fn hides_header(&self, name: &str) -> bool {
        self.headers.iter().any(|it| it.eq_ignore_ascii_case(name))
    }

    fn found<'a>(&self, document: Document<'a>) -> Vec<Node<'a>> {
        let mut found = Vec::new();
        self.places.iter().for_each(|it| it.find(document.root(), &mut found));
        found
    }
}

impl Veil<'_> {
    /// Learns what `document` holds at hidden places.
    pub(super) fn learn(&mut self, document: Option<&[u8]>) {
        if self.redaction.places.is_empty() {
            return;
        }
        let Some(document) = document.and_then(|it| Document::parse(it).ok()) else { return };
        let mut nodes = self.redaction.found(document);
        while let Some(node) = nodes.pop() {
            nodes.extend(node.members().map(|it| it.value));
            nodes.extend(node.elements());
            if matches!(node.kind(), Kind::Text | Kind::Number) {
                self.learn_value(&node.scalar().unwrap_or_default());
            }
        }
    }

    /// Learns the values of hidden headers.
    pub(super) fn learn_headers<'h>(&mut self, headers: impl Iterator<Item = (&'h str, &'h [u8])>) {
        for (name, value) in headers {
            if self.redaction.hides_header(name) {
                self.learn_value(&String::from_utf8_lossy(value));
            }
        }
    }

    fn learn_value(&mut self, value: &str) {
        if value.len() >= SHORTEST {
            self.secrets.insert(value.to_owned());
            // As it stands inside of another JSON text.
            let quoted = Value::from(value).to_string();
            self.secrets.insert(quoted.trim_matches('"').to_owned());
        }
    }

    /// A payload or body.
    pub(super) fn document(&self, bytes: Option<&[u8]>) -> Value {
        let Some(bytes) = bytes else { return Value::Null };
        if self.redaction.places.is_empty() || bytes.is_empty() {
            return self.content(bytes);
        }
        match Document::parse(bytes) {
            Ok(document) => {
                let edited = self.without_hidden(document);
                let redacted = edited.is_some();
                self.shown(edited.as_deref().unwrap_or_else(|| document.text()), bytes.len(), redacted)
            }
            // What is hidden can't be found in it.
            Err(_) => withheld(bytes),
        }
    }

    /// Other bytes: a key, the value of a header.
    pub(super) fn content(&self, bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.shown(text, bytes.len(), false),
            Err(_) if self.redaction.is_active() => withheld(bytes),
            Err(_) => {
                let most = bytes.get(..self.redaction.max_bytes).unwrap_or(bytes);
                let mut value = json!({ "bytes": bytes.len(), "base64": STANDARD.encode(most) });
                mark(&mut value, "truncated", most.len() < bytes.len());
                value
            }
        }
    }

    /// A header with its value, where that may be seen.
    pub(super) fn header(&self, name: &str, value: Option<&[u8]>) -> Value {
        let mut shown = match value {
            None => json!({ "withheld": true }),
            Some(_) if self.redaction.hides_header(name) => json!({ "redacted": true }),
            Some(value) => self.content(value),
        };
        shown["name"] = self.text(name).into();
        shown
    }

    /// Text in which nothing hidden stands.
    pub(super) fn text(&self, text: &str) -> String {
        // The longest first: one value may hold another.
        let mut secrets: Vec<_> = self.secrets.iter().filter(|it| text.contains(it.as_str())).collect();
        secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }

    fn shown(&self, text: &str, bytes: usize, redacted: bool) -> Value {
        let clean = self.text(text);
        let end = clean.floor_char_boundary(self.redaction.max_bytes);
        let mut value = json!({ "bytes": bytes, "text": &clean[..end] });
        mark(&mut value, "truncated", end < clean.len());
        mark(&mut value, "redacted", redacted || clean != text);
        value
    }

    /// The text with hidden values replaced; `None` where there is none.
    fn without_hidden(&self, document: Document<'_>) -> Option<String> {
        let mut spans: Vec<_> = self.redaction.found(document).iter().map(|it| it.span()).collect();
        if spans.is_empty() {
            return None;
        }
        // The outer of two that overlap comes first, and takes the inner one with it.
        spans.sort_by_key(|it| (it.start, std::cmp::Reverse(it.end)));
        let (text, mut edited, mut at) = (document.text(), String::new(), 0);
        for span in spans {
            if span.start >= at {
                edited.push_str(&text[at..span.start]);
                edited.push_str(&format!("\"{HIDDEN}\""));
                at = span.end;
            }
        }
        edited.push_str(&text[at..]);
        Some(edited)
    }
}

fn withheld(bytes: &[u8]) -> Value {
    json!({ "bytes": bytes.len(), "withheld": true })
}

fn mark(value: &mut Value, name: &str, holds: bool) {
    if holds {
        value[name] = true.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(places: &[&str], headers: &[&str], max_bytes: usize) -> Redaction {
        let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let request = TapRequest {
            redact: owned(places),
            redact_headers: owned(headers),
            max_bytes,
            ..TapRequest::default()
        };
        Redaction::new(&request).unwrap()
    }

    #[test]
    fn a_hidden_value_goes_with_all_its_bytes_and_the_rest_keeps_every_one_of_its_own() {
        let redaction = redaction(&["/customer/email", "$.card"], &[], 1_000);
        let body =
            r#"{ "n": 1.50, "card" : {"number":4111111111111111}, "customer":{"email":"a@b.example"}}"#;
        let mut veil = redaction.veil();
        veil.learn(Some(body.as_bytes()));
        let shown = veil.document(Some(body.as_bytes()));
        let expected = r#"{ "n": 1.50, "card" : "[redacted]", "customer":{"email":"[redacted]"}}"#;
        assert_eq!(shown, json!({ "bytes": body.len(), "text": expected, "redacted": true }));
    }

    #[test]
    fn a_hidden_value_is_hidden_wherever_the_record_holds_it() {
        let redaction = redaction(&["/email"], &["X-Token"], 1_000);
        let mut veil = redaction.veil();
        veil.learn(Some(br#"{"email":"a\"b@example"}"#));
        veil.learn_headers([("x-token", &b"hunter2"[..])].into_iter());
        assert_eq!(veil.text("422: no mailbox a\"b@example"), "422: no mailbox [redacted]");
        let moved = br#"{"to":"a\"b@example","t":"hunter2"}"#;
        assert_eq!(veil.document(Some(moved))["text"], r#"{"to":"[redacted]","t":"[redacted]"}"#);
        assert_eq!(veil.header("x-token", Some(b"hunter2")), json!({ "name": "x-token", "redacted": true }));
        assert_eq!(veil.header("other", Some(b"hunter2"))["text"], "[redacted]");
    }

    #[test]
    fn a_cut_comes_after_hiding_so_that_no_half_of_a_value_stays() {
        let redaction = redaction(&["/email"], &[], 12);
        let mut veil = redaction.veil();
        veil.learn(Some(br#"{"email":"someone@example"}"#));
        let shown = veil.document(Some(br#"{"a":"someone@example"}"#));
        assert_eq!(
            shown,
            json!({ "bytes": 23, "text": "{\"a\":\"[redac", "truncated": true, "redacted": true })
        );
    }

    #[test]
    fn what_cannot_be_looked_into_is_withheld_once_anything_is_hidden() {
        let hiding = redaction(&["/email"], &[], 100);
        assert_eq!(hiding.veil().document(Some(b"email=a@b")), json!({ "bytes": 9, "withheld": true }));
        assert_eq!(hiding.veil().content(b"\xff\xfe"), json!({ "bytes": 2, "withheld": true }));
        let open = redaction(&[], &[], 2);
        assert_eq!(open.veil().document(Some(b"email"))["text"], "em");
        let base64 = json!({ "bytes": 3, "base64": "//4=", "truncated": true });
        assert_eq!(open.veil().content(b"\xff\xfe\xfd"), base64);
        assert_eq!(open.veil().document(None), Value::Null);
        assert_eq!(
            open.veil().header("authorization", None),
            json!({ "name": "authorization", "withheld": true })
        );
    }
}
