//! What goes wrong with JSON, told by place and never by value.

use std::str::Utf8Error;

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::Fault;

/// Reads `bytes` into `T`, or says why not in words that hold no value of the payload.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => wrong_json(bytes, &error),
        Category::Syntax | Category::Eof | Category::Io => not_json(bytes, &error),
    })
}

pub(super) fn not_json(bytes: &[u8], error: &serde_json::Error) -> Fault {
    // A syntax error's words come from a fixed list; its place is told below in our own form.
    let place = place(bytes, error);
    Fault::reject("not-json", format!("the payload is not JSON: {} {place}", words(error)))
}

pub(super) fn not_text(error: &Utf8Error) -> Fault {
    Fault::reject("not-json", format!("the payload is not UTF-8 from byte {} on", error.valid_up_to()))
}

fn wrong_json(bytes: &[u8], error: &serde_json::Error) -> Fault {
    let words = words(error);
    // Of the words that serde uses for data, only these never quote the payload.
    let what = if words.starts_with("missing field") { words.as_str() } else { "a value does not fit" };
    let place = place(bytes, error);
    Fault::reject("wrong-json", format!("the payload is not what this plugin expects: {what} {place}"))
}

/// An error's words without its place.
pub(crate) fn words(error: &serde_json::Error) -> String {
    let mut words = error.to_string();
    if let Some(at) = words.rfind(" at line ") {
        words.truncate(at);
    }
    words
}

fn place(bytes: &[u8], error: &serde_json::Error) -> String {
    let byte = end_of_error(bytes, error);
    format!("at line {}, column {} (byte {byte})", error.line(), error.column())
}

/// How many bytes had been read when the error was found.
pub(crate) fn end_of_error(bytes: &[u8], error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let before: usize =
        bytes.split_inclusive(|byte| *byte == b'\n').take(lines_before).map(<[u8]>::len).sum();
    before + error.column()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Order {
        amount: u32,
    }

    #[test]
    fn typed_json_reads_into_its_type() {
        assert_eq!(read::<Order>(br#"{"amount": 3, "more": 1}"#), Ok(Order { amount: 3 }));
    }

    #[test]
    fn a_value_that_does_not_fit_is_rejected_by_place_and_not_by_value() {
        let fault = read::<Order>(br#"{"amount": "hunter2"}"#).unwrap_err();
        let reason = "the payload is not what this plugin expects: a value does not fit at line 1, column 20 (byte 20)";
        assert_eq!(fault, Fault::reject("wrong-json", reason));
    }

    #[test]
    fn a_missing_field_is_named() {
        let fault = read::<Order>(b"{\n}").unwrap_err();
        let reason = "the payload is not what this plugin expects: missing field `amount` at line 2, column 1 (byte 3)";
        assert_eq!(fault, Fault::reject("wrong-json", reason));
    }

    #[test]
    fn broken_json_is_rejected_by_place() {
        let fault = read::<Order>(br#"{"amount": 3"#).unwrap_err();
        let reason = "the payload is not JSON: EOF while parsing an object at line 1, column 12 (byte 12)";
        assert_eq!(fault, Fault::reject("not-json", reason));
    }
}
