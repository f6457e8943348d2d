//! Writes what came out into the file, and leaves everything else as its author wrote it.

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use crate::{CaseError, Content, ExpectedMessage, Outcome, Place, bytes};

/// The keys of a case that say what becomes of its event.
const OUTCOMES: [&str; 6] = ["message", "discard", "retry", "reject", "halt", "fault"];

/// `text` with these outcomes in the cases of these names; comments, events and every other case keep their bytes.
///
/// # Errors
/// When `text` is no file of cases, or has no case of that name.
pub fn updated(file: &str, text: &str, outcomes: &[(String, Outcome)]) -> Result<String, CaseError> {
    let mut document: DocumentMut =
        text.parse().map_err(|error| CaseError::new(file, format!("\n{error}")))?;
    for (name, outcome) in outcomes {
        let case = document.get_mut("case").and_then(|cases| case_of(cases, name));
        let case = case.ok_or_else(|| CaseError::new(file, format!("has no case {name:?}")))?;
        write(case, outcome);
    }
    Ok(document.to_string())
}

/// Cases are sections, `[[case]]`, or a list of inline tables.
fn case_of<'a>(cases: &'a mut Item, name: &str) -> Option<&'a mut dyn TableLike> {
    let called = |table: &dyn TableLike| table.get("name").and_then(Item::as_str) == Some(name);
    match cases {
        Item::ArrayOfTables(tables) => {
            tables.iter_mut().find(|table| called(*table)).map(|table| table as &mut dyn TableLike)
        }
        Item::Value(Value::Array(array)) => array
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .find(|table| called(*table))
            .map(|table| table as &mut dyn TableLike),
        _ => None,
    }
}

fn write(case: &mut dyn TableLike, outcome: &Outcome) {
    let sections = case.get("message").is_some_and(Item::is_array_of_tables)
        || case.get("event").is_some_and(Item::is_table);
    for key in OUTCOMES {
        case.remove(key);
    }
    let (key, item) = item(outcome, sections);
    case.insert(key, item);
}

fn item(outcome: &Outcome, sections: bool) -> (&'static str, Item) {
    match outcome {
        Outcome::Messages(messages) if sections => {
            let tables = messages.iter().map(|it| InlineTable::from_iter(fields(it)).into_table());
            ("message", Item::ArrayOfTables(tables.collect::<ArrayOfTables>()))
        }
        Outcome::Messages(messages) => {
            let tables = messages.iter().map(|it| InlineTable::from_iter(fields(it)));
            ("message", value(Array::from_iter(tables)))
        }
        Outcome::Discard(reason) => ("discard", value(reason)),
        Outcome::Retry { reason, after_ms } => {
            let mut fields = vec![("reason", Value::from(reason))];
            fields.extend(after_ms.map(|it| ("after_ms", number(it))));
            ("retry", nested(fields, sections))
        }
        Outcome::Reject { code, reason } => {
            ("reject", nested(vec![("code", code.into()), ("reason", reason.into())], sections))
        }
        Outcome::Halt(reason) => ("halt", value(reason)),
        Outcome::Fault(code) => ("fault", value(code)),
    }
}

fn nested(fields: Vec<(&'static str, Value)>, sections: bool) -> Item {
    let table = InlineTable::from_iter(fields);
    if sections { Item::Table(Table::from_iter(table)) } else { value(table) }
}

pub(crate) fn number(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn fields(message: &ExpectedMessage) -> Vec<(&'static str, Value)> {
    let mut fields: Vec<(&'static str, Value)> = Vec::new();
    match &message.to {
        Place::Next => {}
        Place::Kafka { topic, partition, timestamp } => {
            fields.push(("kafka", topic.into()));
            fields.extend(partition.map(|it| ("partition", i64::from(it).into())));
            fields.extend(timestamp.map(|it| ("timestamp", number(it))));
        }
        Place::Nats(subject) => fields.push(("nats", subject.into())),
        Place::Http { path, method, auth } => {
            fields.push(("http", path.into()));
            fields.extend(method.as_ref().map(|it| ("method", it.into())));
            fields.extend(auth.as_ref().map(|it| ("auth", it.into())));
        }
        Place::Other { kind, address } => {
            let other = [("kind", Value::from(kind)), ("address", Value::from(address))];
            fields.push(("other", InlineTable::from_iter(other).into()));
        }
    }
    fields.extend(message.sink.as_ref().map(|it| ("sink", it.into())));
    fields.extend(message.slot.as_ref().map(|it| ("slot", it.into())));
    fields.extend(content(&message.key).map(|it| ("key", it)));
    fields.extend(content(&message.body).map(|it| ("body", it)));
    if !message.event_headers {
        fields.push(("event_headers", false.into()));
    }
    if !message.headers.is_empty() {
        fields.push(("headers", headers(&message.headers).into()));
    }
    fields
}

fn content(content: &Content) -> Option<Value> {
    match content {
        Content::Unchanged => None,
        Content::Absent => Some(bytes::write(None)),
        Content::Bytes(bytes) => Some(bytes::write(Some(bytes))),
    }
}

pub(crate) fn headers(all: &[(String, Vec<u8>)]) -> InlineTable {
    let mut table = InlineTable::new();
    for (name, _) in all {
        let values = all.iter().filter(|(own, _)| own == name).map(|(_, it)| bytes::write(Some(it)));
        let mut values: Vec<Value> = values.collect();
        let value = if values.len() == 1 { values.remove(0) } else { Array::from_iter(values).into() };
        table.insert(name, value);
    }
    table
}
