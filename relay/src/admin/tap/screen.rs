//! How parts of a record are shown: without what is hidden, and cut to a size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::TapRequest;
use crate::redaction::{Redaction, Secrets};

/// How everything is shown that one client gets.
#[derive(Debug)]
pub(super) struct Screen {
    redaction: Redaction,
    max_bytes: usize,
}

/// How the parts of one record are shown.
#[derive(Debug)]
pub(super) struct Veil<'r> {
    pub(super) secrets: Secrets<'r>,
    max_bytes: usize,
}

impl Screen {
    pub(super) fn new(request: &TapRequest) -> Result<Self, String> {
        let redaction = Redaction::new(&request.redact, &request.redact_headers)?;
        Ok(Self { redaction, max_bytes: request.max_bytes })
    }

    /// Whether anything is hidden, so that records have to bring their whole events.
    pub(super) fn hides(&self) -> bool {
        self.redaction.is_active()
    }

    pub(super) fn veil(&self) -> Veil<'_> {
        Veil { secrets: Secrets::of(&self.redaction), max_bytes: self.max_bytes }
    }
}

impl Veil<'_> {
    /// A payload or body.
    pub(super) fn document(&self, bytes: Option<&[u8]>) -> Value {
        let Some(bytes) = bytes else { return Value::Null };
        match self.secrets.document(bytes) {
            Some(text) => self.shown(bytes, &text),
            // What is hidden can't be found in it.
            None if self.secrets.redaction().hides_places() => withheld(bytes),
            None => self.content(bytes),
        }
    }

    /// Other bytes: a key, the value of a header.
    pub(super) fn content(&self, bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.shown(bytes, &self.secrets.text(text)),
            Err(_) if self.secrets.redaction().is_active() => withheld(bytes),
            Err(_) => {
                let most = bytes.get(..self.max_bytes).unwrap_or(bytes);
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
            Some(_) if self.secrets.redaction().hides_header(name) => json!({ "redacted": true }),
            Some(value) => self.content(value),
        };
        shown["name"] = self.text(name).into();
        shown
    }

    /// Text in which nothing hidden stands.
    pub(super) fn text(&self, text: &str) -> String {
        self.secrets.text(text).into_owned()
    }

    /// `clean` is what may be seen of `bytes`. The cut comes last, so that no half of a hidden value stays.
    fn shown(&self, bytes: &[u8], clean: &str) -> Value {
        let end = clean.floor_char_boundary(self.max_bytes);
        let mut value = json!({ "bytes": bytes.len(), "text": &clean[..end] });
        mark(&mut value, "truncated", end < clean.len());
        mark(&mut value, "redacted", clean.as_bytes() != bytes);
        value
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

    fn screen(places: &[&str], headers: &[&str], max_bytes: usize) -> Screen {
        let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let request = TapRequest {
            redact: owned(places),
            redact_headers: owned(headers),
            max_bytes,
            ..TapRequest::default()
        };
        Screen::new(&request).unwrap()
    }

    #[test]
    fn a_hidden_value_goes_with_all_its_bytes_and_the_rest_keeps_every_one_of_its_own() {
        let screen = screen(&["/customer/email", "$.card"], &[], 1_000);
        let body =
            r#"{ "n": 1.50, "card" : {"number":4111111111111111}, "customer":{"email":"a@b.example"}}"#;
        let mut veil = screen.veil();
        veil.secrets.learn(Some(body.as_bytes()));
        let shown = veil.document(Some(body.as_bytes()));
        let expected = r#"{ "n": 1.50, "card" : "[redacted]", "customer":{"email":"[redacted]"}}"#;
        assert_eq!(shown, json!({ "bytes": body.len(), "text": expected, "redacted": true }));
    }

    #[test]
    fn a_hidden_value_is_hidden_wherever_the_record_holds_it() {
        let screen = screen(&["/email"], &["X-Token"], 1_000);
        let mut veil = screen.veil();
        veil.secrets.learn(Some(br#"{"email":"a\"b@example"}"#));
        veil.secrets.learn_headers([("x-token", &b"hunter2"[..])].into_iter());
        assert_eq!(veil.text("422: no mailbox a\"b@example"), "422: no mailbox [redacted]");
        let moved = br#"{"to":"a\"b@example","t":"hunter2"}"#;
        assert_eq!(veil.document(Some(moved))["text"], r#"{"to":"[redacted]","t":"[redacted]"}"#);
        assert_eq!(veil.header("x-token", Some(b"hunter2")), json!({ "name": "x-token", "redacted": true }));
        assert_eq!(veil.header("other", Some(b"hunter2"))["text"], "[redacted]");
    }

    #[test]
    fn a_cut_comes_after_hiding_so_that_no_half_of_a_value_stays() {
        let screen = screen(&["/email"], &[], 12);
        let mut veil = screen.veil();
        veil.secrets.learn(Some(br#"{"email":"someone@example"}"#));
        let shown = veil.document(Some(br#"{"a":"someone@example"}"#));
        assert_eq!(
            shown,
            json!({ "bytes": 23, "text": "{\"a\":\"[redac", "truncated": true, "redacted": true })
        );
    }

    #[test]
    fn what_cannot_be_looked_into_is_withheld_once_anything_is_hidden() {
        let hiding = screen(&["/email"], &[], 100);
        assert_eq!(hiding.veil().document(Some(b"email=a@b")), json!({ "bytes": 9, "withheld": true }));
        assert_eq!(hiding.veil().content(b"\xff\xfe"), json!({ "bytes": 2, "withheld": true }));
        let open = screen(&[], &[], 2);
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
