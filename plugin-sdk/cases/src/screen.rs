//! An outcome in lines that can be compared, and what differs between two.

use crate::{Content, EventRow, ExpectedMessage, Outcome, Place, bytes};

/// One line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// In both.
    Same(String),
    /// Only before, or only expected.
    Removed(String),
    /// Only after, or only found.
    Added(String),
}

/// What differs between two outcomes of `event`, line by line; no [`Change`] but [`Change::Same`] where nothing does.
#[must_use]
pub fn compared(before: &Outcome, after: &Outcome, event: &EventRow) -> Vec<Change> {
    let (first, second) = (before.lines(event), after.lines(event));
    if first == second && before != after {
        // They differ in how JSON is written: only the bodies as they are show that.
        return changes(&before.set(event, false), &after.set(event, false));
    }
    changes(&first, &second)
}

/// The lines of `before` and `after`, what differs marked.
fn changes(before: &[String], after: &[String]) -> Vec<Change> {
    // Lengths of the longest common subsequences of all pairs of tails. Outcomes are some lines long.
    let (rows, columns) = (before.len(), after.len());
    let mut length = vec![vec![0_usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            length[row][column] = if before[row] == after[column] {
                length[row + 1][column + 1] + 1
            } else {
                length[row + 1][column].max(length[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut all) = (0, 0, Vec::new());
    while row < rows || column < columns {
        if row < rows && column < columns && before[row] == after[column] {
            all.push(Change::Same(before[row].clone()));
            (row, column) = (row + 1, column + 1);
        } else if row < rows && (column == columns || length[row + 1][column] >= length[row][column + 1]) {
            all.push(Change::Removed(before[row].clone()));
            row += 1;
        } else {
            all.push(Change::Added(after[column].clone()));
            column += 1;
        }
    }
    all
}

impl Outcome {
    /// The outcome for people, line by line. A body that is JSON is spread over lines, so that a comparison shows
    /// the members that differ; `event` is what unchanged parts come from.
    #[must_use]
    pub fn lines(&self, event: &EventRow) -> Vec<String> {
        self.set(event, true)
    }

    fn set(&self, event: &EventRow, spread: bool) -> Vec<String> {
        match self {
            Self::Messages(messages) if messages.is_empty() => vec!["no message".to_owned()],
            Self::Messages(messages) => {
                messages.iter().flat_map(|it| message_lines(it, event, spread)).collect()
            }
            Self::Discard(reason) => vec![format!("discard {reason:?}")],
            Self::Retry { reason, after_ms: None } => vec![format!("retry {reason:?}")],
            Self::Retry { reason, after_ms: Some(after) } => {
                vec![format!("retry after {after} ms {reason:?}")]
            }
            Self::Reject { code, reason } => vec![format!("reject {code}: {reason:?}")],
            Self::Halt(reason) => vec![format!("halt {reason:?}")],
            Self::Fault(code) => vec![format!("fault {code}")],
        }
    }
}

fn message_lines(message: &ExpectedMessage, event: &EventRow, spread: bool) -> Vec<String> {
    let mut lines = vec![first_line(message)];
    match &message.key {
        Content::Unchanged => {}
        Content::Absent => lines.push("  key    null".to_owned()),
        Content::Bytes(key) => lines.push(format!("  key    {}", bytes::show(Some(key)))),
    }
    if !message.event_headers {
        lines.push("  without the event's headers".to_owned());
    }
    let header = |(name, value): &(String, Vec<u8>)| format!("  header {name}: {}", bytes::show(Some(value)));
    lines.extend(message.headers.iter().map(header));
    let body = match &message.body {
        Content::Unchanged => event.payload.as_deref(),
        Content::Absent => None,
        Content::Bytes(body) => Some(body.as_slice()),
    };
    lines.extend(body_lines(body, spread));
    lines
}

fn first_line(message: &ExpectedMessage) -> String {
    let mut first = match &message.to {
        Place::Next => "message onward".to_owned(),
        Place::Kafka { topic, partition, timestamp } => {
            let partition = partition.map(|it| format!(", partition {it}")).unwrap_or_default();
            let timestamp = timestamp.map(|it| format!(", timestamp {it}")).unwrap_or_default();
            format!("message to kafka {topic}{partition}{timestamp}")
        }
        Place::Nats(subject) => format!("message to nats {subject}"),
        Place::Http { path, method, auth } => {
            let method = method.as_ref().map(|it| format!("{it} ")).unwrap_or_default();
            let auth = auth.as_ref().map(|it| format!(", credential {it}")).unwrap_or_default();
            format!("message to http {method}{path}{auth}")
        }
        Place::Other { kind, address } => format!("message to {kind} {address}"),
    };
    first.extend(message.sink.iter().map(|it| format!(", sink {it}")));
    first.extend(message.slot.iter().map(|it| format!(", slot {it}")));
    first
}

fn body_lines(body: Option<&[u8]>, spread: bool) -> Vec<String> {
    let json =
        body.filter(|_| spread).and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
    let spread = json.filter(|it| it.is_object() || it.is_array()).map(|it| format!("{it:#}"));
    let text = spread.unwrap_or_else(|| bytes::show(body));
    text.lines().map(|line| format!("  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Suite;

    fn suite() -> Suite {
        let text = r#"
            [[case]]
            name = "a"
            event = { aggregate_type = "order", aggregate_id = "1", type = "Placed", payload = '{"a":1,"b":2}' }
            message = [{ kafka = "orders", body = '{"b":2,"a":3}' }]
        "#;
        Suite::parse("a.toml", text).unwrap()
    }

    #[test]
    fn a_member_that_differs_is_shown_alone() {
        let suite = suite();
        let case = &suite.cases[0];
        let before = Outcome::Messages(vec![ExpectedMessage {
            slot: None,
            sink: None,
            to: Place::Kafka { topic: "orders".to_owned(), partition: None, timestamp: None },
            key: Content::Unchanged,
            body: Content::Unchanged,
            event_headers: true,
            headers: Vec::new(),
        }]);
        let after = case.expected.clone().unwrap();
        let differing: Vec<_> = compared(&before, &after, &case.event)
            .into_iter()
            .filter(|it| !matches!(it, Change::Same(_)))
            .collect();
        let line = |text: &str| text.to_owned();
        assert_eq!(differing, [Change::Removed(line("    \"a\": 1,")), Change::Added(line("    \"a\": 3,"))]);
    }

    #[test]
    fn bodies_that_differ_only_in_how_they_are_written_are_shown_as_they_are() {
        let suite = suite();
        let case = &suite.cases[0];
        let with = |body: &str| {
            let Some(Outcome::Messages(mut messages)) = case.expected.clone() else { panic!("no messages") };
            messages[0].body = Content::Bytes(body.into());
            Outcome::Messages(messages)
        };
        let found = compared(&with("{\"a\":1}"), &with("{ \"a\": 1 }"), &case.event);
        assert!(found.contains(&Change::Added("  { \"a\": 1 }".to_owned())), "{found:?}");
        assert!(
            compared(&with("{}"), &with("{}"), &case.event).iter().all(|it| matches!(it, Change::Same(_)))
        );
    }
}
