//! A whole JSON text.

use serde::de::IgnoredAny;

use super::fault::{not_json, not_text};
use super::{Node, Pointer};
use crate::Fault;

/// A whole JSON text, known to be well-formed.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    text: &'a str,
}

impl<'a> Document<'a> {
    /// Checks that `bytes` are one JSON value in UTF-8. Any depth is accepted: nothing here recurses.
    ///
    /// # Errors
    /// A rejection `not-json` that says where the text goes wrong, without any of its values.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|error| not_text(&error))?;
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Ok(Self { text }),
            Err(error) => Err(not_json(bytes, &error)),
        }
    }

    /// A text that is known to be well-formed JSON.
    pub(crate) fn trusted(text: &'a str) -> Self {
        Self { text }
    }

    /// The text as it was written.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.text
    }

    /// Its outermost value.
    #[must_use]
    pub fn root(self) -> Node<'a> {
        Node::first(self.text, 0)
    }

    /// The value at `pointer`, if there is one.
    #[must_use]
    pub fn at(self, pointer: &Pointer) -> Option<Node<'a>> {
        pointer.tokens().try_fold(self.root(), Node::child)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(text: &'a str, pointer: &str) -> Option<&'a str> {
        let document = Document::parse(text.as_bytes()).unwrap();
        document.at(&pointer.parse().unwrap()).map(Node::raw)
    }

    #[test]
    fn a_pointer_finds_members_and_elements() {
        let text = r#" { "a" : [ 10, {"b/c": "x", "~": null} , [ ] ], "": 1.50 } "#;
        assert_eq!(at(text, "/a/0"), Some("10"));
        assert_eq!(at(text, "/a/1/b~1c"), Some(r#""x""#));
        assert_eq!(at(text, "/a/1/~0"), Some("null"));
        assert_eq!(at(text, "/a/2"), Some("[ ]"));
        assert_eq!(at(text, "/"), Some("1.50"));
        assert_eq!(at(text, ""), Some(text.trim()));
        assert_eq!(at(text, "/a/3"), None);
        assert_eq!(at(text, "/a/01"), None);
        assert_eq!(at(text, "/a/0/x"), None);
        assert_eq!(at(text, "/b"), None);
    }

    #[test]
    fn an_escaped_name_is_the_same_name_and_the_last_of_two_counts() {
        assert_eq!(at(r#"{"em\u0061il":1,"\"{":2}"#, "/email"), Some("1"));
        assert_eq!(at(r#"{"em\u0061il":1,"\"{":2}"#, "/\"{"), Some("2"));
        assert_eq!(at(r#"{"a":1,"a":2}"#, "/a"), Some("2"));
    }

    #[test]
    fn text_that_is_not_json_is_rejected_with_its_place_and_without_its_values() {
        let fault = Document::parse(b"{\n \"secret\": hunter2}").unwrap_err();
        let reason = "the payload is not JSON: expected value at line 2, column 12 (byte 14)";
        assert_eq!(fault, Fault::reject("not-json", reason));
        let fault = Document::parse(b"\"\xff\"").unwrap_err();
        assert_eq!(fault, Fault::reject("not-json", "the payload is not UTF-8 from byte 1 on"));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let document = Document::parse(deep.as_bytes()).unwrap();
        assert_eq!(document.root().elements().count(), 1);
    }
}
