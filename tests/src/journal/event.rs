//! One event as a writer makes it: a body of about 300 bytes that proves itself.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Brings a body to about 300 bytes.
const FILLING: usize = 176;

/// What became of an event's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The commit was acknowledged: it must arrive.
    Committed,
    /// It was rolled back: it must never be seen.
    RolledBack,
    /// The answer to the commit was lost: it may arrive.
    Unknown,
}

/// An event as it was written, and as its body says again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WrittenEvent {
    /// The event's id, a UUID.
    pub id: String,
    /// The aggregate id.
    pub key: String,
    /// 1 for the first committed event of the key, then without gaps in the order of commits: it is taken under
    /// the lock of the key's row.
    pub version: u64,
    /// Which writer.
    pub writer: u32,
    /// Takes room, differs from event to event.
    filling: String,
    /// Of everything above.
    hash: String,
}

impl WrittenEvent {
    /// The `number`-th event of `writer`.
    #[must_use]
    pub fn new(writer: u32, number: u64, key: &str, version: u64) -> Self {
        let seed = xxh3_128(format!("{writer}/{number}").as_bytes());
        let mut event = Self {
            id: uuid(seed),
            key: key.to_owned(),
            version,
            writer,
            filling: format!("{seed:032x}").repeat(FILLING / 32 + 1)[..FILLING].to_owned(),
            hash: String::new(),
        };
        event.hash = event.expected_hash();
        event
    }

    /// The body to write into the outbox.
    #[must_use]
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a body back; `None` when it is not one, or not as it was written.
    #[must_use]
    pub fn from_body(body: &[u8]) -> Option<Self> {
        let event: Self = serde_json::from_slice(body).ok()?;
        (event.hash == event.expected_hash()).then_some(event)
    }

    fn expected_hash(&self) -> String {
        let text = format!("{}|{}|{}|{}|{}", self.id, self.key, self.version, self.writer, self.filling);
        format!("{:016x}", xxh3_64(text.as_bytes()))
    }
}

fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_and_a_changed_one_does_not() {
        let event = WrittenEvent::new(3, 17, "order-5", 2);
        let body = event.body();
        assert!((280..330).contains(&body.len()), "{} bytes", body.len());
        assert_eq!(WrittenEvent::from_body(body.as_bytes()), Some(event));
        let changed = body.replace("\"version\":2", "\"version\":3");
        assert_eq!(WrittenEvent::from_body(changed.as_bytes()), None);
        assert_eq!(WrittenEvent::from_body(b"{}"), None);
    }
}
