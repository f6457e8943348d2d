//! What an error of Kafka means for the lane, in one place.

use rdkafka::error::RDKafkaErrorCode as Code;
use relay_engine::outcome::{Failure, FailureClass};

use super::properties::Batching;

/// The brokers do not answer.
pub(super) const UNREACHABLE: &str = "S201";
/// Login, permission or TLS.
pub(super) const REFUSED: &str = "S202";
/// The topic does not exist.
pub(super) const NO_TOPIC: &str = "S203";
/// The message is too large.
pub(super) const TOO_LARGE: &str = "S204";
/// A request was too large for the topic.
pub(super) const BATCH_TOO_LARGE: &str = "S205";
/// The producer cannot go on.
pub(super) const REBUILD: &str = "S206";
/// Something before it failed.
pub(super) const BEHIND_FAILURE: &str = "S207";
/// The answer was lost.
pub(super) const ANSWER_LOST: &str = "S208";
/// The broker refuses the record.
pub(super) const RECORD_REFUSED: &str = "S209";
/// The partition does not exist.
pub(super) const NO_PARTITION: &str = "S210";
/// The settings are wrong.
pub(super) const SETTINGS: &str = "S211";

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Size,
    Record,
    TopicName,
    NoTopic,
    NoPartition,
    TopicForbidden,
    Login,
    Brokers,
    ProducerSpent,
    Settings,
    AnswerLost,
}

/// Sorts the error codes.
///
/// What the client retries by itself (leader changes, lost connections, too few replicas) arrives here only
/// when the producer gave up, so it is an outage. What is not known by name is treated as a lost answer: sending
/// again under the same key is always safe, giving up is not.
fn kind(code: Code) -> Kind {
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => Kind::Size,
        Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::InvalidMessage
        | Code::BadMessage
        | Code::UnsupportedForMessageFormat
        | Code::PolicyViolation => Kind::Record,
        Code::InvalidTopic => Kind::TopicName,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownTopicId => Kind::NoTopic,
        Code::UnknownPartition => Kind::NoPartition,
        Code::TopicAuthorizationFailed => Kind::TopicForbidden,
        Code::Authentication
        | Code::SSL
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::DelegationTokenExpired
        | Code::DelegationTokenAuthorizationFailed
        | Code::UnacceptableCredential
        | Code::SecurityDisabled => Kind::Login,
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NotEnoughReplicas
        | Code::KafkaStorageError
        | Code::LogDirNotFound
        | Code::ThrottlingQuotaExceeded
        | Code::RebootstrapRequired => Kind::Brokers,
        Code::Fatal
        | Code::GaplessGuarantee
        | Code::Fenced
        | Code::ProducerFenced
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::UnknownProducerId
        | Code::UnsupportedCompressionType
        | Code::UnsupportedFeature => Kind::ProducerSpent,
        Code::InvalidArgument | Code::InvalidConfig | Code::NotConfigured => Kind::Settings,
        _ => Kind::AnswerLost,
    }
}

/// The failure that `code` is for a message to `topic`, sent by a producer that batches as `batching` says.
pub(super) fn failure(code: Code, topic: &str, batching: Batching) -> Failure {
    use FailureClass::{Permanent, Retryable, Unavailable, Unknown};
    let (class, name, detail) = match (kind(code), batching) {
        (Kind::Size, Batching::One) => {
            (Permanent, TOO_LARGE, format!("topic {topic:?} refuses the message for its size: {code}"))
        }
        (Kind::Size, Batching::Full) => {
            let detail = format!("topic {topic:?} refused a request for its size; sent again one by one");
            (Unavailable, BATCH_TOO_LARGE, detail)
        }
        (Kind::Record, _) => {
            (Permanent, RECORD_REFUSED, format!("topic {topic:?} refuses the record: {code}"))
        }
        (Kind::TopicName, _) => (Permanent, RECORD_REFUSED, format!("{topic:?} is not a legal topic name")),
        (Kind::NoTopic, _) => (Unavailable, NO_TOPIC, format!("topic {topic:?} does not exist")),
        (Kind::NoPartition, _) => {
            (Retryable, NO_PARTITION, format!("topic {topic:?} has no partition of the message's number"))
        }
        (Kind::TopicForbidden, _) => {
            (Unavailable, REFUSED, format!("the relay's user may not write to topic {topic:?}"))
        }
        (Kind::Login, _) => (Unavailable, REFUSED, format!("the brokers refuse the relay: {code}")),
        (Kind::Brokers, _) => (Unavailable, UNREACHABLE, format!("the brokers do not answer: {code}")),
        (Kind::ProducerSpent, _) => {
            (Unavailable, REBUILD, format!("the producer cannot go on and is built anew: {code}"))
        }
        (Kind::Settings, _) => (Unavailable, SETTINGS, format!("the client refuses its settings: {code}")),
        (Kind::AnswerLost, _) => {
            (Unknown, ANSWER_LOST, format!("no answer says whether topic {topic:?} has the message: {code}"))
        }
    };
    Failure::new(class, name, detail)
}

/// The failure of a message that may have been stored.
pub(super) fn unknown(detail: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Unknown, ANSWER_LOST, detail)
}

/// The failure of a message that was not sent because something before it failed.
pub(super) fn behind(cause: &Failure) -> Failure {
    Failure::new(
        FailureClass::Unavailable,
        BEHIND_FAILURE,
        format!("not sent, to keep the order behind a failure ({}: {})", cause.code, cause.detail),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_of_errors_has_its_class_and_code() {
        use FailureClass::{Permanent, Retryable, Unavailable, Unknown};
        let table = [
            (Code::MessageSizeTooLarge, Batching::One, Permanent, "S204"),
            (Code::MessageSizeTooLarge, Batching::Full, Unavailable, "S205"),
            (Code::InvalidRecord, Batching::Full, Permanent, "S209"),
            (Code::InvalidTimestamp, Batching::Full, Permanent, "S209"),
            (Code::UnknownTopicOrPartition, Batching::Full, Unavailable, "S203"),
            (Code::UnknownTopic, Batching::Full, Unavailable, "S203"),
            (Code::UnknownPartition, Batching::Full, Retryable, "S210"),
            (Code::TopicAuthorizationFailed, Batching::Full, Unavailable, "S202"),
            (Code::SaslAuthenticationFailed, Batching::Full, Unavailable, "S202"),
            (Code::AllBrokersDown, Batching::Full, Unavailable, "S201"),
            (Code::Fatal, Batching::Full, Unavailable, "S206"),
            (Code::ProducerFenced, Batching::Full, Unavailable, "S206"),
            (Code::PurgeQueue, Batching::Full, Unknown, "S208"),
            (Code::PurgeInflight, Batching::Full, Unknown, "S208"),
            (Code::OutOfOrderSequenceNumber, Batching::Full, Unknown, "S208"),
            (Code::MessageTimedOut, Batching::Full, Unknown, "S208"),
        ];
        for (code, batching, class, name) in table {
            let failure = failure(code, "orders", batching);
            assert_eq!((failure.class, failure.code.as_ref()), (class, name), "{code:?}");
        }
    }

    #[test]
    fn an_unknown_topic_is_named() {
        assert!(failure(Code::UnknownTopic, "orders", Batching::Full).detail.contains("\"orders\""));
    }
}
