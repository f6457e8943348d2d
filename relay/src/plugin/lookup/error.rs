//! Why a lookup table can't be read.

use std::fmt::Display;

use crate::plugin::tables::Unfit;

/// Why a table can't be read, and what to do. Holds no keys and no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub(in crate::plugin) struct LookupError {
    pub(in crate::plugin) what: String,
    pub(in crate::plugin) remedy: String,
}

impl LookupError {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    /// A row at `place` has none in the table.
    pub(super) fn unfit(place: impl Display, unfit: Unfit) -> Self {
        let remedy = match unfit {
            Unfit::Twice => "leave one row a key",
            Unfit::TooLarge(_) => "leave out what plugins do not need, or raise its `max`",
        };
        Self::new(format!("{place}: {unfit}"), remedy)
    }
}
