//! A plugin's configuration: its schema, its reading, and what can be wrong with it.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::bindings::exports::relay::plugin::transform as guest;
use crate::json::{self, Document, Kind, Node};

/// What is wrong with a configuration, and where.
///
/// ```
/// # use relay_plugin_sdk::Problem;
/// # struct Config { topic: String, share: u8 }
/// fn check(config: &Config) -> Result<(), Problem> {
///     let topic = config.topic.is_empty().then(|| Problem::at("/topic", "is empty; name a topic"));
///     let share = (config.share > 100).then(|| Problem::at("/share", "is a share in a hundred"));
///     // All of them at once: nobody likes to be told of one mistake after the other.
///     Problem::all([topic, share].into_iter().flatten()).map_or(Ok(()), Err)
/// }
///
/// assert!(check(&Config { topic: "orders".to_owned(), share: 5 }).is_ok());
/// assert_eq!(check(&Config { topic: String::new(), share: 101 }).unwrap_err().path(), "/topic");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
    others: Vec<Problem>,
}

impl Problem {
    /// Something wrong at `path`, a JSON Pointer into the configuration such as `/rules/0/to`; say what is
    /// wrong and what is allowed.
    #[must_use]
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), others: Vec::new() }
    }

    /// Something wrong with the configuration as a whole.
    #[must_use]
    pub fn whole(message: impl Into<String>) -> Self {
        Self::at("", message)
    }

    /// One more problem, so that all are told at once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.others.push(other);
        self
    }

    /// All of `problems` as one; `None` where there are none.
    #[must_use]
    pub fn all(problems: impl IntoIterator<Item = Self>) -> Option<Self> {
        problems.into_iter().reduce(Self::and)
    }

    /// The JSON Pointer to what is wrong, empty for the whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong and what is allowed.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_list(self) -> Vec<guest::Problem> {
        let Self { path, message, others } = self;
        let mut list = vec![guest::Problem { path, message }];
        list.extend(others.into_iter().flat_map(Self::into_list));
        list
    }
}

/// The JSON Schema of a configuration.
pub(crate) fn schema<C: JsonSchema>() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<C>();
    // A schema is a JSON value: it always has a text.
    serde_json::to_string(&schema).unwrap_or_default()
}

/// What the relay is told of a configuration: its schema, or nothing where the plugin takes none (`()`).
pub(crate) fn described<C: JsonSchema>() -> Option<String> {
    if takes_nothing::<C>() {
        return None;
    }
    let own = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<C>();
    (own.get("type").and_then(|it| it.as_str()) != Some("null")).then(schema::<C>)
}

/// Whether a configuration is `()`. The compiler knows, so that a component without settings carries nothing that makes
/// schemas or reads settings: more than half of it otherwise.
fn takes_nothing<C: JsonSchema>() -> bool {
    C::schema_id() == <()>::schema_id()
}

/// Reads a configuration. One that is absent counts as empty, so that a plugin whose settings all have
/// defaults needs none; and an empty one as absent, so that `()` is a configuration.
pub(crate) fn read<C: DeserializeOwned + JsonSchema>(text: &str) -> Result<C, Vec<guest::Problem>> {
    let text = if text.trim() == "null" { "{}" } else { text };
    if takes_nothing::<C>() {
        let nothing =
            C::deserialize(IntoDeserializer::<Error>::into_deserializer(())).ok().filter(|_| is_empty(text));
        return nothing
            .ok_or_else(|| Problem::whole("is not empty, and the plugin takes no settings").into_list());
    }
    let read = match serde_json::from_str(text) {
        // What is wrong is told of the text that was given.
        Err(error) if is_empty(text) => serde_json::from_str("null").map_err(|_| error),
        read => read,
    };
    read.map_err(|error| {
        let path = if error.is_data() { path_of_error(text, &error) } else { String::new() };
        vec![guest::Problem { path, message: json::words(&error) }]
    })
}

fn is_empty(text: &str) -> bool {
    let members = text.trim().strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    members.is_some_and(|it| it.trim().is_empty())
}

/// The pointer to the value at which reading a well-formed text stopped.
fn path_of_error(text: &str, error: &serde_json::Error) -> String {
    let end = json::end_of_error(text.as_bytes(), error);
    let mut path = String::new();
    let mut node = Document::trusted(text).root();
    while let Some((name, inner)) = part_with(node, end) {
        path.push('/');
        path.push_str(&json::escape(&name));
        match inner {
            Some(inner) => node = inner,
            None => break,
        }
    }
    path
}

/// The member or element of `node` in which the byte before `end` lies; without a value where it lies in a
/// member's name. `None` where the place is `node` itself: at its first byte (a value of the wrong kind) or
/// after its last (a member is missing).
fn part_with(node: Node<'_>, end: usize) -> Option<(String, Option<Node<'_>>)> {
    let span = node.span();
    if end <= span.start + 1 || end >= span.end {
        return None;
    }
    if node.kind() == Kind::Array {
        let mut elements = node.elements().enumerate();
        return elements
            .find(|(_, element)| end <= element.span().end)
            .map(|(index, element)| (index.to_string(), Some(element)));
    }
    node.members().find(|member| end <= member.span().end).map(|member| {
        let in_name = end <= member.name_span().end;
        (member.name().into_owned(), (!in_name).then_some(member.value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read only by serde")]
    struct Config {
        /// In order.
        rules: Vec<Rule>,
        #[serde(default)]
        limit: Option<u8>,
    }

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read only by serde")]
    struct Rule {
        #[serde(rename = "a/b")]
        topic: String,
    }

    fn problem(text: &str) -> (String, String) {
        let mut problems = read::<Config>(text).unwrap_err();
        assert_eq!(problems.len(), 1);
        let problem = problems.remove(0);
        (problem.path, problem.message)
    }

    fn path(text: &str) -> String {
        problem(text).0
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_located() {
        assert_eq!(path(r#"{"rules":[{"a/b":"x"},{"a/b":5}]}"#), "/rules/1/a~1b");
        assert_eq!(path(r#"{"rules":[{"a/b":{"c":1}}]}"#), "/rules/0/a~1b");
        assert_eq!(path(r#"{"rules":[{"a/b":[]}]}"#), "/rules/0/a~1b");
        assert_eq!(path(r#"{"rules":{"x":1}}"#), "/rules");
        assert_eq!(path(r#"{"rules":[], "limit": 256 }"#), "/limit");
        assert_eq!(path("5"), "");
    }

    #[test]
    fn an_unknown_setting_is_located_and_the_allowed_ones_are_named() {
        let (path, message) = problem(r#"{"rules":[{"topik":"x"}]}"#);
        assert_eq!(path, "/rules/0/topik");
        assert_eq!(message, "unknown field `topik`, expected `a/b`");
    }

    #[test]
    fn a_missing_setting_is_located_at_its_object() {
        assert_eq!(
            problem(r#"{"rules":[{"a/b":"x"},{}]}"#),
            ("/rules/1".into(), "missing field `a/b`".into())
        );
        assert_eq!(problem("{}"), (String::new(), "missing field `rules`".into()));
        assert_eq!(problem("null"), (String::new(), "missing field `rules`".into()));
    }

    #[test]
    fn a_plugin_without_settings_is_told_as_one_and_needs_none() {
        assert_eq!((read::<()>("null"), read::<()>("{}"), described::<()>()), (Ok(()), Ok(()), None));
        assert_eq!(described::<Config>(), Some(schema::<Config>()));
        let message = |text| read::<()>(text).unwrap_err().remove(0).message;
        assert_eq!(message(r#"{"topic":"orders"}"#), "is not empty, and the plugin takes no settings");
    }

    #[test]
    fn the_schema_describes_each_setting() {
        let schema: serde_json::Value = serde_json::from_str(&schema::<Config>()).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["properties"]["rules"]["description"], "In order.");
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn several_problems_are_told_at_once() {
        let problem = Problem::all([Problem::at("/a", "1"), Problem::at("/b", "2"), Problem::whole("3")]);
        let paths: Vec<_> = problem.unwrap().into_list().into_iter().map(|it| it.path).collect();
        assert_eq!(paths, ["/a", "/b", ""]);
    }
}
