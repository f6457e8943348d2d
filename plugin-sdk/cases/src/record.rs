//! Writes events into a file of cases, for their outcomes to be written later.

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use crate::update::{headers, number};
use crate::{CaseError, EventRow, Suite, bytes};

/// The source of events whose file does not say.
const SOURCE: &str = "shop";

/// `text` with a case for each of `events` behind its own, without an outcome, and how many that are; an event that has a
/// case of its own name already gets no second one. What stands in `text` keeps its bytes.
///
/// # Errors
/// When `text` is no file of cases.
pub fn recorded(file: &str, text: &str, events: &[EventRow]) -> Result<(String, usize), CaseError> {
    let known = Suite::parse(file, text)?;
    let mut document: DocumentMut =
        text.parse().map_err(|error| CaseError::new(file, format!("\n{error}")))?;
    let mut names: Vec<String> = known.cases.into_iter().map(|it| it.name).collect();
    let before = names.len();
    let cases = document.entry("case").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    for event in events {
        let name = name(event);
        if names.contains(&name) {
            continue;
        }
        match cases {
            Item::ArrayOfTables(tables) => tables.push(table(&name, event)),
            Item::Value(Value::Array(array)) => array.push(table(&name, event).into_inline_table()),
            _ => return Err(CaseError::new(file, "has a case that is no list")),
        }
        names.push(name);
    }
    Ok((document.to_string(), names.len() - before))
}

/// What tells an event apart, in a sentence.
fn name(event: &EventRow) -> String {
    format!("{} of {}, {}", event.event_type, event.aggregate_id, event.id)
}

fn table(name: &str, event: &EventRow) -> Table {
    let fields: [(&str, Item); 2] =
        [("name", value(name)), ("event", value(InlineTable::from_iter(fields(event))))];
    let mut table = Table::from_iter(fields);
    table.decor_mut().set_prefix("\n");
    table
}

fn fields(event: &EventRow) -> Vec<(&'static str, Value)> {
    let mut fields: Vec<(&'static str, Value)> = vec![
        ("id", event.id.as_str().into()),
        ("sequence", number(event.sequence)),
        ("aggregate_type", event.aggregate_type.as_str().into()),
        ("aggregate_id", event.aggregate_id.as_str().into()),
        ("type", event.event_type.as_str().into()),
        ("occurred_at", number(event.occurred_at)),
    ];
    if event.source != SOURCE {
        fields.push(("source", event.source.as_str().into()));
    }
    if event.attempt != 1 {
        fields.push(("attempt", i64::from(event.attempt).into()));
    }
    fields.extend(event.content_type.as_deref().map(|it| ("content_type", it.into())));
    if !event.headers.is_empty() {
        fields.push(("headers", headers(&event.headers).into()));
    }
    if !event.attributes.is_empty() {
        let attributes = event.attributes.iter().map(|(name, it)| (name.as_str(), Value::from(it.as_str())));
        fields.push(("attributes", InlineTable::from_iter(attributes).into()));
    }
    // Last, because it is long. Without one it is a tombstone.
    fields.extend(event.payload.as_deref().map(|it| ("payload", bytes::write(Some(it)))));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str) -> EventRow {
        EventRow {
            id: id.to_owned(),
            source: "orders-db".to_owned(),
            sequence: 812,
            aggregate_type: "order".to_owned(),
            aggregate_id: "order-17".to_owned(),
            event_type: "OrderPlaced".to_owned(),
            content_type: Some("application/json".to_owned()),
            payload: Some(b"{ \"total\": 1.50, \"note\": \"it's\\n\" }".to_vec()),
            headers: vec![("a".to_owned(), b"1".to_vec()), ("a".to_owned(), b"\xff".to_vec())],
            attributes: vec![("tenant".to_owned(), "blue".to_owned())],
            occurred_at: 1_700_000_000_000_001,
            attempt: 2,
        }
    }

    #[test]
    fn an_event_reads_back_as_it_was_recorded() {
        let tombstone = EventRow { payload: None, headers: Vec::new(), attempt: 1, ..event("2") };
        let bytes = EventRow { payload: Some(vec![0xff, 0]), source: SOURCE.to_owned(), ..event("3") };
        let events = [event("1"), tombstone, bytes];
        let (text, count) = recorded("a.toml", "", &events).unwrap();
        let suite = Suite::parse("a.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(count, 3);
        assert_eq!(suite.cases.iter().map(|it| it.event.clone()).collect::<Vec<_>>(), events, "{text}");
        assert!(suite.cases.iter().all(|it| it.expected.is_none()));
    }

    #[test]
    fn what_is_there_keeps_its_bytes_and_no_event_is_recorded_twice() {
        let text = "# mine\nconfig = { topic = \"orders\" }\n";
        let (first, _) = recorded("a.toml", text, &[event("1")]).unwrap();
        assert!(first.starts_with(text), "{first}");
        let (second, count) = recorded("a.toml", &first, &[event("1"), event("2"), event("2")]).unwrap();
        assert_eq!(count, 1);
        assert!(second.starts_with(&first), "{second}");
        let listed = "case = [{ name = \"a\", event = { aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" } }]\n";
        let (text, _) = recorded("a.toml", listed, &[event("1")]).unwrap();
        assert_eq!(Suite::parse("a.toml", &text).unwrap().cases.len(), 2, "{text}");
        assert!(recorded("a.toml", "case = 1", &[]).is_err());
    }
}
