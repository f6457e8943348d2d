//! Lookup tables as plugins read them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// What a row takes beside its key and its value: its place in the map and two allocations; measured, with room.
const PER_ROW: usize = 128;

/// One version of a lookup table; never changes.
#[derive(Default, PartialEq, Eq)]
pub struct Table {
    rows: HashMap<Box<str>, Arc<[u8]>>,
    bytes: usize,
}

/// Why a row has no place in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Which of the two a plugin would get is nobody's choice.
    #[error("two rows have the same key")]
    Twice,
    /// The table would take more memory than it may.
    #[error("it takes more than the {0} bytes that it may")]
    TooLarge(usize),
}

impl Table {
    /// Adds a row, as long as the table stays within `most` bytes of memory.
    ///
    /// # Errors
    /// When the key is there already, or the table would be too large.
    pub fn insert(&mut self, key: &str, value: &[u8], most: usize) -> Result<(), Unfit> {
        let bytes = self.bytes + key.len() + value.len() + PER_ROW;
        if bytes > most {
            return Err(Unfit::TooLarge(most));
        }
        if self.rows.insert(key.into(), value.into()).is_some() {
            return Err(Unfit::Twice);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<[u8]>> {
        self.rows.get(key)
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The memory that it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl fmt::Debug for Table {
    /// Neither keys nor values: they are the operator's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("rows", &self.rows.len()).field("bytes", &self.bytes).finish()
    }
}

/// All tables that one plugin may read, each in one version: what a batch sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables(Arc<[(Arc<str>, Arc<Table>)]>);

/// Rows of several tables as somebody wrote them down: values by key, by table.
pub type WrittenTables = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

impl Tables {
    /// These tables, by name.
    #[must_use]
    pub fn of(tables: Vec<(Arc<str>, Arc<Table>)>) -> Self {
        Self(tables.into())
    }

    /// The tables of a file of golden cases: however large, for they stand in the file.
    #[must_use]
    pub fn written(tables: &WrittenTables) -> Self {
        let one = |rows: &BTreeMap<String, serde_json::Value>| {
            let mut table = Table::default();
            for (key, value) in rows {
                // Its keys are those of a map, and nothing limits it.
                let _ = table.insert(key, value.to_string().as_bytes(), usize::MAX);
            }
            Arc::new(table)
        };
        Self(tables.iter().map(|(name, rows)| (name.as_str().into(), one(rows))).collect())
    }

    /// The table called `name`, if the plugin may read it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Table> {
        self.0.iter().find(|(own, _)| &**own == name).map(|(_, table)| &**table)
    }

    /// The names of all, for people.
    #[must_use]
    pub fn names(&self) -> String {
        self.0.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_each_key_once_and_no_more_than_it_may() {
        let mut table = Table::default();
        let most = 2 * (PER_ROW + 4);
        assert_eq!(table.insert("a", b"one", most), Ok(()));
        assert_eq!(table.insert("a", b"two", most), Err(Unfit::Twice));
        assert_eq!(table.insert("b", b"four", most), Err(Unfit::TooLarge(most)));
        assert_eq!(table.insert("b", b"two", most), Ok(()));
        assert_eq!((table.rows(), table.bytes()), (2, most));
        assert_eq!(table.get("b").map(|it| &**it), Some(&b"two"[..]));
    }
}
