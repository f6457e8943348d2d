//! The event of a case.

/// The row that a case is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its unique id; the case's number where the file does not say.
    pub id: String,
    /// The source's name, by default `shop`.
    pub source: String,
    /// Its place in the outbox, by default the case's number.
    pub sequence: u64,
    /// What kind of thing it is about.
    pub aggregate_type: String,
    /// Which thing it is about: the key.
    pub aggregate_id: String,
    /// What happened.
    pub event_type: String,
    /// The payload's media type.
    pub content_type: Option<String>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Headers, by name.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Further columns, by name.
    pub attributes: Vec<(String, String)>,
    /// When it was written, in microseconds since the Unix epoch; by default 21 November 2026, noon UTC.
    pub occurred_at: u64,
    /// Which run of it this is, from 1.
    pub attempt: u32,
}
