//! Why there is no verdict.

use std::time::Duration;

/// An event for which there is no verdict now, or never.
///
/// Reasons are read by operators, in logs and beside dead letters: name fields and places, never values of the
/// payload.
///
/// ```
/// # use relay_plugin_sdk::{prelude::*, testing::EventBuilder};
/// fn version(event: &Event) -> Result<u32, Fault> {
///     let header = event.header("version").ok_or_else(|| Fault::reject("no-version", "the header is missing"))?;
///     let text = std::str::from_utf8(header).ok().and_then(|it| it.parse().ok());
///     text.ok_or_else(|| Fault::reject("no-version", "the header is no number"))
/// }
///
/// let event = EventBuilder::new("order", "order-17", "OrderPlaced").header("version", "2").build();
/// assert_eq!(version(&event), Ok(2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Try the event again later; later events of its key wait.
    Retry {
        /// Why.
        reason: String,
        /// The earliest time of the next try from now; `None`: the pipeline's own backoff.
        after: Option<Duration>,
    },
    /// The event cannot be handled and becomes a dead letter.
    Reject {
        /// A short stable word to group by, for example `not-json`.
        code: String,
        /// Why.
        reason: String,
    },
    /// Stop the pipeline until an operator acts.
    Halt {
        /// Why.
        reason: String,
    },
}

impl Fault {
    /// Tries the event again after the pipeline's own backoff.
    #[must_use]
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None }
    }

    /// Tries the event again, no earlier than `after` from now.
    #[must_use]
    pub fn retry_after(after: Duration, reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: Some(after) }
    }

    /// Makes the event a dead letter. `code` is a short stable word that operators group by.
    #[must_use]
    pub fn reject(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Reject { code: code.into(), reason: reason.into() }
    }

    /// Stops the pipeline until an operator acts: for what is wrong with everything, not with this event.
    #[must_use]
    pub fn halt(reason: impl Into<String>) -> Self {
        Self::Halt { reason: reason.into() }
    }
}
