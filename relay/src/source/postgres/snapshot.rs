//! Which transactions had ended at one moment: what a cursor is made of.

use std::fmt;
use std::str::FromStr;

/// A Postgres snapshot: the transactions below `xmax` had ended, except those in `running`.
///
/// Ids are 64 bits wide, with the epoch in them, so they never wrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    xmin: u64,
    /// The first transaction id that had not ended and is not in `running`.
    pub(super) xmax: u64,
    /// Transactions below `xmax` that had not ended, ascending; prepared ones count as running.
    pub(super) running: Vec<u64>,
}

impl Snapshot {
    /// The snapshot that sees no transaction at all, so every row is new to it.
    pub(super) fn beginning() -> Self {
        Self { xmin: 1, xmax: 1, running: Vec::new() }
    }

    /// Whether it is [`Snapshot::beginning`].
    pub(super) fn is_beginning(&self) -> bool {
        self.xmax == 1
    }

    /// Whether the transaction had ended.
    pub(super) fn sees(&self, transaction: u64) -> bool {
        transaction < self.xmax && !self.running.contains(&transaction)
    }

    /// The transactions that ran here and had ended in `target`.
    pub(super) fn ended_by(&self, target: &Self) -> Vec<u64> {
        self.running.iter().copied().filter(|id| !target.running.contains(id)).collect()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.xmin, self.xmax, list(&self.running))
    }
}

/// Ids as `1,2,3`.
pub(super) fn list(ids: &[u64]) -> String {
    let mut text = String::new();
    for id in ids {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&id.to_string());
    }
    text
}

impl FromStr for Snapshot {
    type Err = InvalidSnapshot;

    fn from_str(text: &str) -> Result<Self, InvalidSnapshot> {
        parse(text).ok_or_else(|| InvalidSnapshot(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Snapshot> {
    let mut parts = text.split(':');
    let (xmin, xmax, running) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let running = running.split(',').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<_, _>>();
    Some(Snapshot { xmin: xmin.parse().ok()?, xmax: xmax.parse().ok()?, running: running.ok()? })
}

/// Text that is not a snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a snapshot: expected XMIN:XMAX:LIST")]
pub(super) struct InvalidSnapshot(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_survives_its_text_form() {
        for text in ["10:10:", "10:20:10,14,15", "4294967290:4294967300:4294967290"] {
            assert_eq!(text.parse::<Snapshot>().unwrap().to_string(), text);
        }
        for text in ["", "10:20", "10:20:a", "10:20:1:2", "x:20:"] {
            assert!(text.parse::<Snapshot>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_transaction_that_still_runs_in_the_target_has_not_ended() {
        let cursor: Snapshot = "10:20:10,14".parse().unwrap();
        let target: Snapshot = "14:30:14,25".parse().unwrap();
        assert_eq!(cursor.ended_by(&target), [10]);
    }
}
