//! What a sink of each kind can be addressed with.

use crate::verdict::Target;

/// The kinds of sinks, by how they are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SinkKind {
    /// Topics.
    Kafka,
    /// Subjects.
    Nats,
    /// Paths below the sink's URL.
    Http,
    /// Nothing: standard output takes everything.
    Stdout,
}

/// Kafka's own limit.
const TOPIC_LENGTH: usize = 249;

/// An address that no sink of its kind can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is not a {what}: {rule}")]
pub struct InvalidAddress {
    address: String,
    what: &'static str,
    rule: &'static str,
}

impl SinkKind {
    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Nats => "nats",
            Self::Http => "http",
            Self::Stdout => "stdout",
        }
    }

    /// Whether a message for `target` is meant for sinks of this kind.
    #[must_use]
    pub fn takes(self, target: &Target) -> bool {
        match target {
            Target::Kafka { .. } => self == Self::Kafka,
            Target::Nats { .. } => self == Self::Nats,
            Target::Http { .. } => self == Self::Http,
            Target::Other { kind, .. } => self.name() == kind,
        }
    }

    /// Checks that `place` can be an address of this kind.
    ///
    /// # Errors
    /// [`InvalidAddress`] with the rule it breaks.
    pub fn check(self, place: &str) -> Result<(), InvalidAddress> {
        let (what, broken) = match self {
            Self::Kafka => ("Kafka topic", broken_topic_rule(place)),
            Self::Nats => ("NATS subject", broken_subject_rule(place)),
            Self::Http => ("path", broken_path_rule(place)),
            Self::Stdout => ("address", None),
        };
        match broken {
            None => Ok(()),
            Some(rule) => Err(InvalidAddress { address: place.chars().take(80).collect(), what, rule }),
        }
    }
}

fn broken_topic_rule(topic: &str) -> Option<&'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > TOPIC_LENGTH {
        Some("it has 1 to 249 characters")
    } else if !topic.chars().all(legal) {
        Some("it holds only letters, digits, '.', '_' and '-'")
    } else if topic == "." || topic == ".." {
        Some("it is neither '.' nor '..'")
    } else {
        None
    }
}

fn broken_subject_rule(subject: &str) -> Option<&'static str> {
    if subject.split('.').any(str::is_empty) {
        Some("its tokens between dots are not empty")
    } else if subject.contains(['*', '>']) {
        Some("it holds no wildcards")
    } else if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("it holds no white space")
    } else {
        None
    }
}

fn broken_path_rule(path: &str) -> Option<&'static str> {
    let (segments, _query) = path.split_once('?').unwrap_or((path, ""));
    if path.is_empty() {
        None
    } else if !path.starts_with('/') {
        Some("it starts with '/'")
    } else if segments.split('/').any(is_dot_segment) {
        Some("it has no '.' or '..' segments")
    } else if segments.starts_with("//")
        || path.contains(['#', '\\'])
        || !path.bytes().all(|b| b.is_ascii_graphic())
    {
        Some("it holds printable ASCII without '#', '\\' and a leading '//'; percent-encode the rest")
    } else {
        None
    }
}

/// Also in the percent-encoded forms that a receiver or a proxy may decode.
fn is_dot_segment(segment: &str) -> bool {
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    decoded == "." || decoded == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_held_to_the_rules_of_their_sink() {
        let table = [
            (SinkKind::Kafka, "orders.placed-1_x", true),
            (SinkKind::Kafka, "", false),
            (SinkKind::Kafka, "orders/placed", false),
            (SinkKind::Kafka, "..", false),
            (SinkKind::Nats, "orders.placed", true),
            (SinkKind::Nats, "orders..placed", false),
            (SinkKind::Nats, "orders.*", false),
            (SinkKind::Nats, "orders. x", false),
            (SinkKind::Http, "", true),
            (SinkKind::Http, "/orders/1?a=b", true),
            (SinkKind::Http, "orders", false),
            (SinkKind::Http, "/orders/../admin", false),
            (SinkKind::Http, "/orders/%2E%2e/admin", false),
            (SinkKind::Http, "//evil.example/", false),
            (SinkKind::Http, "/a b", false),
            (SinkKind::Stdout, "anything at all", true),
        ];
        for (kind, place, valid) in table {
            assert_eq!(kind.check(place).is_ok(), valid, "{kind:?} {place:?}");
        }
    }
}
