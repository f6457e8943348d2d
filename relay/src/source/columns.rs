//! Which column of an outbox table holds what.

/// Column names of an outbox table; the defaults are those of Debezium's outbox event router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Unique id of the event.
    pub id: String,
    /// Ascending number given at insert.
    pub sequence: String,
    /// Kind of aggregate.
    pub aggregate_type: String,
    /// Aggregate id: the key.
    pub aggregate_id: String,
    /// Kind of event.
    pub event_type: String,
    /// Payload: text, JSON or bytes.
    pub payload: String,
    /// Headers as a JSON object of strings; `None`: the table has none.
    pub headers: Option<String>,
    /// Time of the event; `None`: the table has none, and events carry the time they were read.
    pub occurred_at: Option<String>,
    /// Further columns handed to plugins as attributes, by name.
    pub attributes: Vec<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            id: "id".to_owned(),
            sequence: "seq".to_owned(),
            aggregate_type: "aggregatetype".to_owned(),
            aggregate_id: "aggregateid".to_owned(),
            event_type: "type".to_owned(),
            payload: "payload".to_owned(),
            headers: Some("headers".to_owned()),
            occurred_at: Some("created_at".to_owned()),
            attributes: Vec::new(),
        }
    }
}
