//! Which events a rule is for.

use std::collections::BTreeMap;

use relay_plugin_sdk::json::{Kind, Node, Pointer};
use relay_plugin_sdk::prelude::*;
use relay_plugin_sdk::serde_json::{self, Value};

use crate::action::{Action, ActionConfig};
use crate::payload::Payload;

/// A rule: which events, and what becomes of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleConfig {
    /// Which events; not set: all of them. Every condition must hold.
    #[serde(default)]
    when: WhenConfig,
    /// What becomes of them.
    then: ActionConfig,
}

/// Conditions on an event. Every one must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhenConfig {
    /// The aggregate type, exact or with `*` for any run of characters.
    aggregate_type: Option<String>,
    /// The event type, exact or with `*` for any run of characters.
    event_type: Option<String>,
    /// JSON Pointers into the payload, each with the value that must be there.
    #[serde(default)]
    json: BTreeMap<String, Value>,
}

/// A rule, ready for events.
#[derive(Debug)]
pub(crate) struct Rule {
    aggregate_type: Option<Glob>,
    event_type: Option<Glob>,
    json: Vec<(Pointer, Value)>,
    pub(crate) then: Action,
}

impl Rule {
    /// Reads the rule configured at `path`.
    pub(crate) fn new(config: RuleConfig, path: &str, problems: &mut Vec<Problem>) -> Self {
        let RuleConfig { when, then } = config;
        let mut json = Vec::with_capacity(when.json.len());
        for (pointer, value) in when.json {
            match pointer.parse::<Pointer>() {
                Ok(pointer) => json.push((pointer, value)),
                Err(error) => problems.push(Problem::at(format!("{path}/when/json"), error.to_string())),
            }
        }
        Self {
            aggregate_type: when.aggregate_type.map(Glob),
            event_type: when.event_type.map(Glob),
            json,
            then: Action::new(then, &format!("{path}/then"), problems),
        }
    }

    /// Whether it is for `event`. The payload is looked at last, and only if everything else holds.
    pub(crate) fn matches(&self, event: &Event, payload: &Payload<'_>) -> Result<bool, Fault> {
        if self.aggregate_type.as_ref().is_some_and(|it| !it.matches(event.aggregate_type()))
            || self.event_type.as_ref().is_some_and(|it| !it.matches(event.event_type()))
        {
            return Ok(false);
        }
        for (pointer, expected) in &self.json {
            if !payload.at(pointer)?.is_some_and(|node| equals(node, expected)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn equals(node: Node<'_>, expected: &Value) -> bool {
    match (node.kind(), expected) {
        (Kind::Text, Value::String(expected)) => node.scalar().as_deref() == Some(expected.as_str()),
        (Kind::Text, _) | (_, Value::String(_)) => false,
        _ => serde_json::from_str::<Value>(node.raw()).is_ok_and(|value| value == *expected),
    }
}

/// Text in which `*` stands for any run of characters, none included.
#[derive(Debug)]
struct Glob(String);

impl Glob {
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        let Some(mut text) = text.strip_prefix(first) else {
            return false;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // Each part at its first place: what is left for the later ones is then the longest there is.
        for part in middle.split('*') {
            match text.find(part) {
                Some(at) => text = &text[at + part.len()..],
                None => return false,
            }
        }
        text.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let matches = |glob: &str, text: &str| Glob(glob.to_owned()).matches(text);
        assert!(matches("OrderPlaced", "OrderPlaced"));
        assert!(!matches("Order", "OrderPlaced"));
        assert!(matches("Order*", "Order"));
        assert!(matches("Order*", "OrderPlaced"));
        assert!(matches("*Placed", "OrderPlaced"));
        assert!(matches("*der*ac*", "OrderPlaced"));
        assert!(matches("*", ""));
        assert!(matches("a**b", "ab"));
        assert!(!matches("ab*ba", "aba"));
        assert!(!matches("*x*", "OrderPlaced"));
        assert!(!matches("order*", "OrderPlaced"));
    }
}
