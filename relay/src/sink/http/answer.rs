//! What a receiver's answer, or the lack of one, means for the lane: in one place.

use std::error::Error as _;
use std::time::Duration;

use relay_engine::outcome::{Failure, FailureClass};
use reqwest::StatusCode;

use super::addresses::Blocked;

/// The answer was lost.
const ANSWER_LOST: &str = "S208";
/// The endpoint refuses all messages.
const ENDPOINT: &str = "S213";
/// The receiver refuses this message.
const MESSAGE: &str = "S214";
/// The receiver wants fewer.
const OVERLOADED: &str = "S215";
/// The receiver failed.
const RECEIVER_FAILED: &str = "S216";
/// A redirect.
const REDIRECT: &str = "S217";
/// An address that is not dialled.
const BLOCKED: &str = "S218";
/// No connection.
const NO_CONNECTION: &str = "S219";
/// 409 where it is not success.
const CONFLICT: &str = "S222";

/// What the parts of an answer say that decide.
#[derive(Debug, Clone, Default)]
pub(super) struct AnswerParts {
    /// `Location`, of a redirect.
    pub(super) location: Option<String>,
    /// `Retry-After`, understood and clamped.
    pub(super) retry_after: Option<Duration>,
    /// The start of the body, printable.
    pub(super) excerpt: String,
}

/// Judges an answer to `request` (method and path). `Ok` means delivered.
pub(super) fn judge(
    status: StatusCode,
    parts: &AnswerParts,
    request: &str,
    conflict_is_success: bool,
) -> Result<(), Failure> {
    use FailureClass::{Retryable, Unavailable};
    let (class, code) = match status.as_u16() {
        200..=299 => return Ok(()),
        409 if conflict_is_success => return Ok(()),
        300..=399 => (Unavailable, REDIRECT),
        // The URL or the credentials are wrong, for this message as for the next.
        401 | 403 | 404 | 405 | 407 | 410 => (Unavailable, ENDPOINT),
        408 | 425 | 429 | 502 | 503 | 504 => (Unavailable, OVERLOADED),
        409 => (Retryable, CONFLICT),
        // 400, 413, 415, 422 and their kin: about this message. A few tries, for receivers have bad minutes.
        400..=499 => (Retryable, MESSAGE),
        _ => (Unavailable, RECEIVER_FAILED),
    };
    let mut detail = format!("{} from {request}", status.as_u16());
    if let Some(location) = parts.location.as_deref().filter(|_| code == REDIRECT) {
        detail = format!("{detail}: redirects are not followed; it points to {location}");
    } else if !parts.excerpt.is_empty() {
        detail = format!("{detail}: {:?}", parts.excerpt);
    }
    let retry_after = parts.retry_after.filter(|_| class == Unavailable);
    Err(Failure { retry_after, ..Failure::new(class, code, detail) })
}

/// Judges a request that got no answer.
pub(super) fn judge_error(error: &reqwest::Error, request: &str) -> Failure {
    let cause = root_cause(error);
    if let Some(blocked) = blocked(error) {
        return Failure::new(FailureClass::Unavailable, BLOCKED, format!("{request}: {blocked}"));
    }
    if error.is_connect() {
        let detail = format!("{request} was not sent, no connection: {cause}");
        return Failure::new(FailureClass::Unavailable, NO_CONNECTION, detail);
    }
    // The request may have been written and acted on.
    let what = if error.is_timeout() { "no answer in time" } else { "the connection ended before an answer" };
    Failure::new(FailureClass::Unknown, ANSWER_LOST, format!("{request}: {what}: {cause}"))
}

fn blocked(error: &reqwest::Error) -> Option<&Blocked> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(blocked) = cause.downcast_ref::<Blocked>() {
            return Some(blocked);
        }
        next = cause.source();
    }
    None
}

/// The innermost cause: the outer ones repeat the URL and say less.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The failure of an address that is forbidden before any connection is made.
pub(super) fn blocked_failure(blocked: &Blocked, request: &str) -> Failure {
    Failure::new(FailureClass::Unavailable, BLOCKED, format!("{request}: {blocked}"))
}

/// The failure of a message whose answer nobody waits for any more.
pub(super) fn abandoned() -> Failure {
    Failure::new(FailureClass::Unknown, ANSWER_LOST, "the sink was closed before the answer came")
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::{Retryable, Unavailable};

    fn class(status: u16, conflict_is_success: bool) -> Option<(FailureClass, String)> {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, &AnswerParts::default(), "POST /", conflict_is_success)
            .err()
            .map(|it| (it.class, it.code.into_owned()))
    }

    #[test]
    fn each_status_has_its_class() {
        let groups: [(&[u16], FailureClass, &str); 7] = [
            (&[300, 301, 302, 303, 304, 307, 308], Unavailable, "S217"),
            (&[401, 403, 404, 405, 407, 410], Unavailable, "S213"),
            (&[400, 402, 406, 411, 413, 414, 415, 418, 422, 431, 451], Retryable, "S214"),
            (&[408, 425, 429, 502, 503, 504], Unavailable, "S215"),
            (&[500, 501, 505, 507, 508, 511, 520, 599], Unavailable, "S216"),
            (&[600, 999], Unavailable, "S216"),
            (&[409], Retryable, "S222"),
        ];
        for (statuses, expected, code) in groups {
            for status in statuses {
                assert_eq!(class(*status, false), Some((expected, code.to_owned())), "{status}");
            }
        }
        for status in [200, 201, 202, 204, 206, 299] {
            assert_eq!(class(status, false), None, "{status}");
        }
        assert_eq!(class(409, true), None);
    }

    #[test]
    fn the_detail_shows_the_receivers_words_and_a_redirects_target() {
        let parts = AnswerParts { excerpt: "amount must be > 0".to_owned(), ..AnswerParts::default() };
        let failure = judge(StatusCode::BAD_REQUEST, &parts, "POST /invoices", false).unwrap_err();
        assert_eq!(failure.detail, "400 from POST /invoices: \"amount must be > 0\"");
        let parts = AnswerParts { location: Some("http://169.254.169.254/".to_owned()), ..parts };
        let failure = judge(StatusCode::FOUND, &parts, "POST /", false).unwrap_err();
        assert!(failure.detail.ends_with("it points to http://169.254.169.254/"));
    }

    #[test]
    fn a_wish_for_later_counts_where_the_receiver_is_the_reason() {
        let parts = AnswerParts { retry_after: Some(Duration::from_secs(7)), ..AnswerParts::default() };
        let failure = judge(StatusCode::TOO_MANY_REQUESTS, &parts, "POST /", false).unwrap_err();
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    }
}
