//! How a case came out.

use std::time::Duration;

use super::{Case, Outcome};

/// How one case came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// The file it is from.
    pub file: String,
    /// The case itself.
    pub case: Case,
    /// What the plugin answered, alone on a fresh instance.
    pub found: Outcome,
    /// Where the plugin failed, what happened: a trap with its place, a limit that was passed.
    pub detail: Option<String>,
    /// How it compares with what was expected.
    pub outcome: CaseOutcome,
    /// How long the call took, instance not included.
    pub duration: Duration,
}

/// How what was found compares with what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseOutcome {
    /// The same.
    Passed,
    /// Something else.
    Differs,
    /// Nothing is written down yet.
    Unrecorded,
    /// As expected alone, and this behind the other events of its file: the answer depends on them, and a retry
    /// would send something else under the same idempotency key.
    Unstable(Outcome),
}

impl CaseOutcome {
    /// Whether the case came out as it should.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        *self == Self::Passed
    }
}
