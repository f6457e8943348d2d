//! One producer and the thread that polls it.
//!
//! Not rdkafka's `ThreadedProducer`, because the thread has more to do than to poll: once something failed, it
//! takes back what is queued behind the failure before librdkafka sends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig,
};
use relay_engine::outcome::{Failure, FailureClass};

use super::classify;
use super::config::KafkaSinkConfig;
use super::ledger::{Answer, Ledger, Ticket};
use super::properties::{Batching, client_config};

/// How long one poll waits for an event, and so how late a stop or a failure is noticed. A poll of 1 ms kept a
/// core busy doing nothing.
const POLL: Duration = Duration::from_millis(100);
/// How long a stopped producer is polled for the answers that its purge made.
const PURGE_DEADLINE: Duration = Duration::from_secs(1);

/// The last error the client reported that was not about a message.
type LastError = Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>;

/// A running producer. Dropping it stops its thread; [`Producer::stop`] also waits for that.
pub(super) struct Producer {
    client: Arc<BaseProducer<Context>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    last_error: LastError,
    batching: Batching,
}

impl Producer {
    /// Creates the client and starts its thread; does not wait for a connection.
    pub(super) fn start(
        config: &KafkaSinkConfig,
        batching: Batching,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, Failure> {
        let last_error = LastError::default();
        let context = Context {
            sink: config.name.clone(),
            ledger: Arc::clone(ledger),
            batching,
            last_error: Arc::clone(&last_error),
        };
        let client = BaseProducer::from_config_and_context(&client_config(config, batching), context)
            .map_err(|error| settings_failure(&error))?;
        let client = Arc::new(client);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("relay-kafka".to_owned())
            .spawn({
                let (client, stop, ledger) = (Arc::clone(&client), Arc::clone(&stop), Arc::clone(ledger));
                move || poll_until_stopped(&client, &stop, &ledger)
            })
            .map_err(|error| {
                Failure::new(
                    FailureClass::Unavailable,
                    classify::REBUILD,
                    format!("no thread for the producer: {error}"),
                )
            })?;
        Ok(Self { client, stop, thread: Some(thread), last_error, batching })
    }

    /// How many messages go into a request.
    pub(super) fn batching(&self) -> Batching {
        self.batching
    }

    /// Hands a record to the client.
    pub(super) fn send(&self, record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), RDKafkaErrorCode> {
        // A topic with a zero byte is the only error here without a code.
        self.client
            .send(record)
            .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidTopic))
    }

    /// Asks the brokers for metadata, of `topic` where one is given; returns the topic's own error.
    pub(super) async fn ask(&self, topic: Option<String>, timeout: Duration) -> Result<(), Failure> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let client = Arc::clone(&self.client);
        let asked = topic.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let metadata = client.client().fetch_metadata(asked.as_deref(), timeout)?;
            Ok::<_, KafkaError>(metadata.topics().iter().find_map(|it| {
                let about_asked = asked.as_deref() == Some(it.name());
                it.error().filter(|_| about_asked).map(RDKafkaErrorCode::from)
            }))
        })
        .await;
        let topic = topic.unwrap_or_default();
        match answer {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(code))) => Err(classify::failure(code, &topic, self.batching)),
            Ok(Err(error)) => Err(self.unreachable(&error, &topic)),
            Err(error) => {
                let detail = format!("the question for metadata was lost: {error}");
                Err(Failure::new(FailureClass::Unavailable, classify::UNREACHABLE, detail))
            }
        }
    }

    /// The failure of a question that got no answer. The client reports the cause (a login refused, a host
    /// unknown) on its own, before the question times out.
    fn unreachable(&self, error: &KafkaError, topic: &str) -> Failure {
        let cause = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let code = cause.as_ref().map(|(code, _)| *code).or_else(|| error.rdkafka_error_code());
        let mut failure =
            classify::failure(code.unwrap_or(RDKafkaErrorCode::AllBrokersDown), topic, self.batching);
        if failure.class != FailureClass::Unavailable {
            failure = Failure::new(FailureClass::Unavailable, classify::UNREACHABLE, failure.detail);
        }
        if let Some((_, reason)) = cause {
            failure.detail = format!("{} ({reason})", failure.detail);
        }
        failure
    }

    /// Stops the client: what it still holds is answered as unknown. Returns when its thread has ended.
    pub(super) async fn stop(mut self) {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take();
        // The thread must be the last to hold the client, or destroying it would block this one.
        drop(self);
        if let Some(thread) = thread {
            // A panic of the thread was printed when it happened; there is nothing left to stop.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn settings_failure(error: &KafkaError) -> Failure {
    // The value stays out: it may be a password.
    let detail = match error {
        KafkaError::ClientConfig(_, _, name, _) => {
            format!("librdkafka refuses the property {name:?} or its value")
        }
        other => other.to_string(),
    };
    Failure::new(FailureClass::Unavailable, classify::SETTINGS, detail)
}

fn poll_until_stopped(client: &BaseProducer<Context>, stop: &AtomicBool, ledger: &Ledger) {
    while !stop.load(Ordering::Acquire) {
        client.poll(POLL);
        if ledger.producer_is_spent() {
            // Again at each round: what is on the wire may come back to the queue for a retry.
            client.purge(PurgeConfig::default().queue().non_blocking());
        }
    }
    client.purge(PurgeConfig::default().queue().inflight());
    let deadline = Instant::now() + PURGE_DEADLINE;
    while client.in_flight_count() > 0 && Instant::now() < deadline {
        client.poll(Duration::ZERO);
    }
}

/// Bytes of a message that count against the room for unanswered ones.
pub(super) fn weight(key: Option<&[u8]>, body: Option<&[u8]>) -> usize {
    key.map_or(0, <[u8]>::len) + body.map_or(0, <[u8]>::len)
}

/// Receives the client's callbacks, on the polling thread.
struct Context {
    sink: String,
    ledger: Arc<Ledger>,
    batching: Batching,
    last_error: LastError,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                tracing::warn!(sink = %self.sink, facility, "librdkafka: {message}")
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(sink = %self.sink, facility, "librdkafka: {message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(sink = %self.sink, %error, "Kafka: {reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        let failure = || {
            let mut failure = classify::failure(code, "", self.batching);
            failure.detail = format!("{}: {reason}", failure.detail);
            failure
        };
        match code {
            RDKafkaErrorCode::Fatal => self.ledger.break_producer(&failure()),
            RDKafkaErrorCode::AllBrokersDown => self.ledger.lose_brokers(failure()),
            _ => {}
        }
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let (message, answer) = match result {
            Ok(message) => (message, Answer::Delivered),
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                let failure = classify::failure(code, message.topic(), self.batching);
                if failure.code == classify::NO_TOPIC {
                    self.ledger.note_missing_topic(message.topic());
                }
                (message, Answer::Failed(failure))
            }
        };
        self.ledger.free(weight(message.key(), message.payload()));
        self.ledger.answer(Ticket(ticket), answer);
    }
}
