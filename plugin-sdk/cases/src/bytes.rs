//! Bytes in a file of text: as they are, or in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toml::Value;

/// What a value of bytes may look like, for errors.
const ALLOWED: &str = "write text, { base64 = \"…\" }, { json = … } or { null = true }";

/// The bytes that `value` stands for; `None` for a null.
pub(crate) fn read(value: &Value) -> Result<Option<Vec<u8>>, String> {
    let table = match value {
        Value::String(text) => return Ok(Some(text.clone().into_bytes())),
        Value::Table(table) => table,
        _ => return Err(format!("is {}; {ALLOWED}", value.type_str())),
    };
    let mut fields = table.iter();
    match (fields.next(), fields.next()) {
        (Some((key, Value::String(text))), None) if key == "base64" => {
            STANDARD.decode(text).map(Some).map_err(|error| format!("is not base64: {error}"))
        }
        (Some((key, Value::Boolean(true))), None) if key == "null" => Ok(None),
        (Some((key, json)), None) if key == "json" => {
            serde_json::to_vec(json).map(Some).map_err(|error| format!("has no JSON form: {error}"))
        }
        _ => Err(format!("is a table of something else; {ALLOWED}")),
    }
}

/// `bytes` as a value of a file: text where it is text.
pub(crate) fn write(bytes: Option<&[u8]>) -> toml_edit::Value {
    let single = |key: &str, value: toml_edit::Value| {
        toml_edit::Value::from(toml_edit::InlineTable::from_iter([(key, value)]))
    };
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => single("null", true.into()),
        Some((_, Ok(text))) => text.into(),
        Some((bytes, Err(_))) => single("base64", STANDARD.encode(bytes).into()),
    }
}

/// `bytes` for people.
pub(crate) fn show(bytes: Option<&[u8]>) -> String {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => "null".to_owned(),
        Some((_, Ok(text))) => text.to_owned(),
        Some((bytes, Err(_))) => format!("base64:{}", STANDARD.encode(bytes)),
    }
}
