//! What a plugin may address.

use std::collections::BTreeMap;

use super::address::SinkKind;

/// The addresses a plugin may use, per sink. Without an entry for a sink it may address nothing there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    places: BTreeMap<String, Vec<Pattern>>,
    credentials: Vec<String>,
}

/// A set of addresses.
///
/// `*` stands for any run of characters, in NATS subjects for one token; `>` at the end of a NATS subject stands
/// for one or more tokens. An HTTP path without `*` covers itself and everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Grant {
    /// A grant from its form in the configuration: patterns per sink.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let parse =
            |(sink, patterns): (String, Vec<String>)| (sink, patterns.into_iter().map(Pattern).collect());
        Self { places: patterns.into_iter().map(parse).collect(), credentials: Vec::new() }
    }

    /// This grant, with which a plugin may also use these credentials of sinks.
    #[must_use]
    pub fn with_credentials(self, credentials: Vec<String>) -> Self {
        Self { credentials, ..self }
    }

    /// Whether the plugin may use the credential `name`.
    #[must_use]
    pub fn has_credential(&self, name: &str) -> bool {
        self.credentials.iter().any(|it| it == name)
    }

    /// The credentials, for messages to operators.
    #[must_use]
    pub fn describe_credentials(&self) -> String {
        if self.credentials.is_empty() { "none".to_owned() } else { self.credentials.join(", ") }
    }

    /// Whether `place` of the sink named `sink` is covered.
    #[must_use]
    pub fn covers(&self, sink: &str, kind: SinkKind, place: &str) -> bool {
        self.places.get(sink).is_some_and(|patterns| patterns.iter().any(|it| it.covers(kind, place)))
    }

    /// The patterns for one sink, for messages to operators.
    #[must_use]
    pub fn describe(&self, sink: &str) -> String {
        match self.places.get(sink) {
            None => "nothing".to_owned(),
            Some(patterns) => patterns.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Pattern {
    fn covers(&self, kind: SinkKind, place: &str) -> bool {
        match kind {
            SinkKind::Nats => subject_matches(&self.0, place),
            SinkKind::Http if !self.0.contains('*') => path_is_below(&self.0, place),
            SinkKind::Kafka | SinkKind::Http | SinkKind::Stdout => glob_matches(&self.0, place),
        }
    }
}

fn subject_matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (literal, Some(token)) if literal == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

fn path_is_below(prefix: &str, path: &str) -> bool {
    let (path, _query) = path.split_once('?').unwrap_or((path, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn glob_matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    let mut rest = rest;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_their_sink_means_by_them() {
        let table = [
            (SinkKind::Kafka, "orders.*", "orders.placed", true),
            (SinkKind::Kafka, "orders.*", "orders", false),
            (SinkKind::Kafka, "orders", "orders", true),
            (SinkKind::Kafka, "orders", "orders2", false),
            (SinkKind::Kafka, "a*b*c", "axxbyyc", true),
            (SinkKind::Kafka, "a*b*c", "axxcyyb", false),
            (SinkKind::Kafka, "a*a", "a", false),
            (SinkKind::Kafka, "*", "anything", true),
            (SinkKind::Nats, "orders.*", "orders.placed", true),
            (SinkKind::Nats, "orders.*", "orders.placed.eu", false),
            (SinkKind::Nats, "orders.>", "orders.placed.eu", true),
            (SinkKind::Nats, "orders.>", "orders", false),
            (SinkKind::Http, "/invoices", "/invoices", true),
            (SinkKind::Http, "/invoices", "/invoices/7?x=1", true),
            (SinkKind::Http, "/invoices", "/invoices-secret", false),
            (SinkKind::Http, "/", "/anything", true),
        ];
        for (kind, pattern, place, covered) in table {
            let grant = Grant::new([("sink".to_owned(), vec![pattern.to_owned()])]);
            assert_eq!(grant.covers("sink", kind, place), covered, "{kind:?} {pattern:?} {place:?}");
            assert!(!grant.covers("other", kind, place));
        }
    }
}
