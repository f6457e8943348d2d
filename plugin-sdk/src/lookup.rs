//! Read-only tables that the operator binds to a plugin: `lookups = ["customers"]` under `[plugin.NAME]`.
//!
//! ```
//! use relay_plugin_sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Customer {
//!     tier: String,
//! }
//!
//! fn topic(event: &Event) -> Result<String, Fault> {
//!     let customer: Option<Customer> = lookup::get("customers", event.aggregate_id())?;
//!     let customer = customer.ok_or_else(|| Fault::reject("unknown-customer", "it is not in the table"))?;
//!     Ok(format!("orders.{}", customer.tier))
//! }
//! ```
//!
//! One batch sees one version of a table. Natively, in tests, the tables are those of
//! [`Harness::table`](crate::testing::Harness::table), or of a file of golden cases.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::Fault;

/// Why a lookup has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// The plugin may not read a table of this name.
    Denied(String),
    /// There is no table to read now: while the plugin is made from its configuration.
    Unavailable(String),
    /// The answer has more bytes than one event may have from lookups: so many.
    TooLarge(u64),
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(why) | Self::Unavailable(why) => f.write_str(why),
            Self::TooLarge(bytes) => {
                write!(f, "{bytes} bytes from a lookup are more than one event may have")
            }
        }
    }
}

impl std::error::Error for LookupError {}

/// What is not granted is so for every event, so the pipeline halts; what is not there yet is tried again; and an
/// answer that is too large is a fault of its event.
impl From<LookupError> for Fault {
    fn from(error: LookupError) -> Self {
        let reason = error.to_string();
        match error {
            LookupError::Denied(_) => Self::halt(reason),
            LookupError::Unavailable(_) => Self::retry(reason),
            LookupError::TooLarge(_) => Self::reject("lookup-too-large", reason),
        }
    }
}

/// The row of `key` in `table`; `None` where it has no such key.
///
/// # Errors
/// Those of [`bytes`], and a rejection where the row does not fit `T`.
pub fn get<T: DeserializeOwned>(table: &str, key: &str) -> Result<Option<T>, Fault> {
    bytes(table, key)?.map(|row| parse(table, &row)).transpose()
}

/// The rows of `keys` in `table`, in their order; `None` for each that it has not. One call for many keys costs less
/// than many calls.
///
/// # Errors
/// As [`get`].
pub fn get_many<T: DeserializeOwned>(table: &str, keys: &[&str]) -> Result<Vec<Option<T>>, Fault> {
    let rows = bytes_of_many(table, keys)?;
    rows.into_iter().map(|row| row.map(|row| parse(table, &row)).transpose()).collect()
}

/// The row of `key` in `table` as it is, a JSON text.
///
/// # Errors
/// Where the plugin may not read the table, there is none, or the row is too large.
pub fn bytes(table: &str, key: &str) -> Result<Option<Vec<u8>>, LookupError> {
    of_relay::get(table, key)
}

/// The rows of `keys` in `table` as they are, JSON texts.
///
/// # Errors
/// As [`bytes`].
pub fn bytes_of_many(table: &str, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LookupError> {
    of_relay::get_many(table, keys)
}

fn parse<T: DeserializeOwned>(table: &str, row: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(row).map_err(|error| {
        // Where it does not fit, and nothing that the error quotes of the row.
        let place = format!("line {} column {}", error.line(), error.column());
        Fault::reject(
            "lookup-row",
            format!("a row of the table {table:?} is not what is expected, at {place}"),
        )
    })
}

#[cfg(target_arch = "wasm32")]
mod of_relay {
    use super::LookupError;
    use crate::bindings::relay::plugin::kv;

    pub(super) fn get(table: &str, key: &str) -> Result<Option<Vec<u8>>, LookupError> {
        kv::get(table, key).map_err(told)
    }

    pub(super) fn get_many(table: &str, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LookupError> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        kv::get_many(table, &keys).map_err(told)
    }

    fn told(error: kv::Error) -> LookupError {
        match error {
            kv::Error::Denied(why) => LookupError::Denied(why),
            kv::Error::Unavailable(why) => LookupError::Unavailable(why),
            kv::Error::TooLarge(bytes) => LookupError::TooLarge(bytes),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod of_relay {
    use super::{LookupError, native};

    pub(super) fn get(table: &str, key: &str) -> Result<Option<Vec<u8>>, LookupError> {
        native::with(table, |rows| rows.get(key).map(|row| row.to_string().into_bytes()))
    }

    pub(super) fn get_many(table: &str, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, LookupError> {
        keys.iter().map(|key| get(table, key)).collect()
    }
}

/// Tables for tests.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod native {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::LookupError;

    /// Rows by key, by table.
    pub(crate) type Tables = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

    thread_local! {
        static TABLES: RefCell<Option<Tables>> = const { RefCell::new(None) };
    }

    /// What `work` returns while these tables are there.
    pub(crate) fn reading<T>(tables: &Tables, work: impl FnOnce() -> T) -> T {
        let before = TABLES.replace(Some(tables.clone()));
        let done = work();
        TABLES.set(before);
        done
    }

    pub(super) fn with<T>(
        name: &str,
        read: impl FnOnce(&BTreeMap<String, serde_json::Value>) -> T,
    ) -> Result<T, LookupError> {
        TABLES.with_borrow(|tables| {
            let tables = tables.as_ref().ok_or_else(|| {
                LookupError::Unavailable("lookup tables are there for events only".to_owned())
            })?;
            let rows = tables.get(name).ok_or_else(|| {
                let known = tables.keys().cloned().collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "none".to_owned() } else { known };
                LookupError::Denied(format!(
                    "the plugin may not read the lookup table {name:?}; it may read: {known}"
                ))
            })?;
            Ok(read(rows))
        })
    }
}
