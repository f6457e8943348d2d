//! What an answer of JetStream, or the lack of one, means for the lane: in one place.

use async_nats::{ConnectErrorKind, StatusCode};
use relay_engine::outcome::{Failure, FailureClass};
use serde::Deserialize;

/// The message is too large.
pub(super) const TOO_LARGE: &str = "S204";
/// The answer was lost.
const ANSWER_LOST: &str = "S208";
/// A header that NATS forbids.
pub(super) const HEADER: &str = "S221";
/// The servers do not answer.
pub(super) const UNREACHABLE: &str = "S230";
/// The servers refuse the login.
const REFUSED: &str = "S231";
/// No stream takes the subject.
const NO_STREAM: &str = "S232";
/// The stream cannot store now.
const STREAM_FAILED: &str = "S233";
/// The stream refuses the message.
const MESSAGE: &str = "S234";
/// A subject that cannot be published to.
pub(super) const SUBJECT: &str = "S235";

/// An acknowledgement, or an error in its place.
#[derive(Debug, Deserialize)]
struct Ack {
    stream: Option<String>,
    seq: Option<u64>,
    error: Option<AckError>,
}

/// JetStream's own error.
#[derive(Debug, Deserialize)]
struct AckError {
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

/// Judges what came back for a publish to `subject`. `Ok` means stored, now or by an earlier try: an answer
/// marked duplicate is a success.
pub(super) fn judge(status: Option<StatusCode>, answer: &[u8], subject: &str) -> Result<(), Failure> {
    if status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Failure::new(
            FailureClass::Unavailable,
            NO_STREAM,
            format!("no stream takes {subject:?}"),
        ));
    }
    match serde_json::from_slice(answer) {
        Ok(Ack { error: Some(error), .. }) => Err(refused(&error, subject)),
        Ok(Ack { stream: Some(_), seq: Some(_), error: None }) => Ok(()),
        // Someone else answers on the subject: that proves nothing about storage.
        Ok(_) | Err(_) => Err(unknown(format!("the answer for {subject:?} is not one of JetStream"))),
    }
}

/// The class of an error by its JetStream number, and by its HTTP-like code where the number is a new one.
fn refused(error: &AckError, subject: &str) -> Failure {
    use FailureClass::{Permanent, Retryable, Unavailable};
    let (class, code) = match (error.err_code, error.code) {
        // Message or header larger than the stream takes.
        (10_054 | 10_097, _) => (Permanent, TOO_LARGE),
        // Wrong last message id or sequence: a plugin's own expectation.
        (10_060 | 10_070 | 10_071 | 10_164, _) => (Permanent, MESSAGE),
        // JetStream is not enabled, here or for the account.
        (10_039 | 10_076, _) => (Unavailable, NO_STREAM),
        (10_059, _) => (Unavailable, NO_STREAM),
        // No resources, store failed (also: the stream is full), sealed, offline.
        (10_023 | 10_077 | 10_109 | 10_118 | 10_194, _) => (Unavailable, STREAM_FAILED),
        (_, 401 | 403) => (Unavailable, REFUSED),
        (_, 400..=499) => (Retryable, MESSAGE),
        _ => (Unavailable, STREAM_FAILED),
    };
    let detail = format!("{subject:?}: {} (JetStream error {})", error.description, error.err_code);
    Failure::new(class, code, detail)
}

/// JetStream's answer to the question whether it is there for this account.
pub(super) fn judge_account(status: Option<StatusCode>, answer: &[u8]) -> Result<(), Failure> {
    let missing = |why: String| {
        Failure::new(FailureClass::Unavailable, NO_STREAM, format!("JetStream is not available: {why}"))
    };
    if status == Some(StatusCode::NO_RESPONDERS) {
        return Err(missing("no server answers for it".to_owned()));
    }
    match serde_json::from_slice(answer) {
        Ok(Ack { error: Some(error), .. }) => Err(missing(error.description)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The failure of connecting.
pub(super) fn connect_failure(kind: ConnectErrorKind, detail: &str) -> Failure {
    let code = match kind {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => REFUSED,
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Tls
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => UNREACHABLE,
    };
    Failure::new(FailureClass::Unavailable, code, format!("cannot connect: {detail}"))
}

/// The failure of a message that may have been stored.
pub(super) fn unknown(detail: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Unknown, ANSWER_LOST, detail)
}

/// The failure of a message that was not sent because there is no connection.
pub(super) fn not_connected() -> Failure {
    Failure::new(FailureClass::Unavailable, UNREACHABLE, "not sent: there is no connection")
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::{Permanent, Retryable, Unavailable, Unknown};

    fn of_error(code: u16, number: u32) -> (FailureClass, String) {
        let answer = format!(
            r#"{{"type":"x","error":{{"code":{code},"err_code":{number},"description":"why"}},"stream":"S","seq":0}}"#
        );
        let failure = judge(None, answer.as_bytes(), "orders").unwrap_err();
        assert!(failure.detail.contains("\"orders\""));
        (failure.class, failure.code.into_owned())
    }

    #[test]
    fn each_answer_has_its_class() {
        assert_eq!(judge(None, br#"{"stream":"S","seq":7}"#, "orders"), Ok(()));
        assert_eq!(judge(None, br#"{"stream":"S","seq":7,"duplicate":true,"domain":"d"}"#, "orders"), Ok(()));
        let no_responders = judge(Some(StatusCode::NO_RESPONDERS), b"", "orders").unwrap_err();
        assert_eq!((no_responders.class, no_responders.code.as_ref()), (Unavailable, "S232"));
        for nonsense in [&b""[..], b"+OK", b"{}", br#"{"stream":"S"}"#] {
            assert_eq!(judge(None, nonsense, "orders").unwrap_err().class, Unknown);
        }
        let table = [
            (400, 10_054, Permanent, "S204"),
            (400, 10_071, Permanent, "S234"),
            (400, 99_999, Retryable, "S234"),
            (404, 10_059, Unavailable, "S232"),
            (503, 10_077, Unavailable, "S233"),
            (503, 10_023, Unavailable, "S233"),
            (503, 10_039, Unavailable, "S232"),
            (500, 99_999, Unavailable, "S233"),
            (403, 99_999, Unavailable, "S231"),
        ];
        for (code, number, class, name) in table {
            assert_eq!(of_error(code, number), (class, name.to_owned()), "{code} {number}");
        }
    }

    #[test]
    fn a_missing_jetstream_is_an_outage_and_an_unreadable_answer_is_not() {
        assert!(judge_account(Some(StatusCode::NO_RESPONDERS), b"").is_err());
        assert!(judge_account(None, br#"{"error":{"code":503,"description":"not enabled"}}"#).is_err());
        assert_eq!(judge_account(None, br#"{"memory":0,"storage":0}"#), Ok(()));
    }
}
