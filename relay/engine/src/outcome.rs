//! What became of a delivery, and what a failure means for the lane.

use std::borrow::Cow;
use std::time::Duration;

/// Why a delivery, or a plugin's run of an event, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the lane does about it.
    pub class: FailureClass,
    /// Stable code, as `relay explain` knows it: `S2xx` sinks, `P1xx` plugins, `R1xx` routes.
    pub code: Cow<'static, str>,
    /// What happened, for the operator; never payload values or secrets.
    pub detail: String,
    /// The earliest next try the receiver asked for.
    pub retry_after: Option<Duration>,
    /// The latest second try, where there is reason to think that what failed is mended by then; further ones follow the
    /// policy.
    pub retry_within: Option<Duration>,
}

impl Failure {
    /// A failure without a wish for when to retry.
    #[must_use]
    pub fn new(class: FailureClass, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            class,
            code: Cow::Borrowed(code),
            detail: detail.into(),
            retry_after: None,
            retry_within: None,
        }
    }
}

/// The kinds of failure, by what they say about the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// A fault of this event that may pass: it is parked and tried again; costs an attempt.
    Retryable,
    /// A fault of this event that will not pass: it becomes a dead letter.
    Permanent,
    /// The sink or its credentials, not the event: the lane waits and probes; costs no attempt.
    Unavailable,
    /// The answer was lost: the message may have arrived; it is sent again under the same key.
    Unknown,
}
