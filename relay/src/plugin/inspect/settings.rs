//! A configuration's JSON Schema, for people.

use serde_json::Value;

/// One setting of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What it holds, in words.
    pub kind: String,
    /// `required`, or its default.
    pub default: String,
    /// The first line of its description.
    pub description: String,
}

/// The settings of the outermost level of `schema`, in the order of their names; none where it describes no
/// object.
#[must_use]
pub fn settings(schema: &Value) -> Vec<Setting> {
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it.as_str() == Some(name)))
    };
    let setting = |(name, own): (&String, &Value)| Setting {
        name: name.clone(),
        kind: kind(own),
        default: if required(name) {
            "required".to_owned()
        } else {
            own.get("default").map_or_else(|| "optional".to_owned(), |it| format!("default {it}"))
        },
        description: first_line(own),
    };
    properties.iter().map(setting).collect()
}

fn first_line(schema: &Value) -> String {
    schema["description"].as_str().and_then(|it| it.lines().next()).unwrap_or_default().to_owned()
}

/// `text`, `list of text`, the title of a type, or one of several.
fn kind(schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        return path.rsplit('/').next().unwrap_or(path).to_owned();
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(all) = schema[several].as_array() {
            return listed(all.iter().map(kind));
        }
    }
    if let Some(all) = schema["enum"].as_array() {
        return listed(all.iter().map(Value::to_string));
    }
    match &schema["type"] {
        Value::Array(all) => listed(all.iter().filter_map(Value::as_str).map(word)),
        Value::String(one) if one == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(one) => word(one),
        _ => "anything".to_owned(),
    }
}

/// The kinds with "or" between them; a null means only that the setting may be left out.
fn listed(all: impl Iterator<Item = String>) -> String {
    all.filter(|it| it != "null").collect::<Vec<_>>().join(" or ")
}

fn word(kind: &str) -> String {
    match kind {
        "string" => "text",
        "object" => "table",
        "integer" => "whole number",
        "boolean" => "true or false",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_named_in_words() {
        let schema = json!({
            "properties": {
                "topic": { "type": "string", "description": "Where to.\n\nMore." },
                "remove": { "type": "array", "items": { "type": "string" }, "default": [] },
                "rules": { "type": "array", "items": { "$ref": "#/$defs/Rule" } },
                "limit": { "type": ["integer", "null"] },
            },
            "required": ["topic"],
        });
        let line = |it: Setting| format!("{} | {} | {} | {}", it.name, it.kind, it.default, it.description);
        let lines: Vec<_> = settings(&schema).into_iter().map(line).collect();
        assert_eq!(
            lines,
            [
                "limit | whole number | optional | ",
                "remove | list of text | default [] | ",
                "rules | list of Rule | optional | ",
                "topic | text | required | Where to.",
            ]
        );
        assert!(settings(&json!(true)).is_empty());
    }
}
