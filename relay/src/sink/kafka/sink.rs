//! The sink itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use relay_engine::message::{MessageBatch, MessageRef};
use relay_engine::outcome::{Failure, FailureClass};

use super::classify;
use super::config::KafkaSinkConfig;
use super::ledger::{Answer, Ledger, Ticket};
use super::producer::{Producer, weight};
use super::properties::{Batching, max_message, reserved_property};
use crate::sink::{Reports, SentHeader, Sink, SinkTraits};

/// How long the brokers may take to answer when the sink is opened.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// How long opening waits for what the spent producer still has on the wire; the lane asks again later.
const WIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long closing waits for answers before the rest is unknown; the lane has drained before it closes.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Pause when librdkafka's own queue is full, which the sink's limit on bytes lets happen only with very many
/// very small messages.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(2);
/// Header with the event's id, as Debezium's outbox router writes it.
const ID_HEADER: &str = "id";
/// Header with the idempotency key.
const KEY_HEADER: &str = "relay-key";

/// Delivers to Kafka topics through one idempotent, gapless producer.
///
/// Keeps prefixes: after a failure nothing more is stored until the sink was opened again. Everything else about
/// it is in the module's own words.
pub struct KafkaSink {
    config: KafkaSinkConfig,
    ledger: Arc<Ledger>,
    producer: Option<Producer>,
    /// A topic that did not exist when it was last asked for.
    missing_topic: Option<String>,
    /// Some topic that was sent to, to ask the brokers about.
    known_topic: Option<String>,
    /// Messages still to send one by one, and how many there were in the last such phase.
    careful: usize,
    last_careful: usize,
    idempotency_key: String,
}

impl KafkaSink {
    /// A sink that is not connected; its outcomes will go to `reports`.
    #[must_use]
    pub fn new(config: KafkaSinkConfig, reports: Reports) -> Self {
        Self {
            config,
            ledger: Arc::new(Ledger::new(reports)),
            producer: None,
            missing_topic: None,
            known_topic: None,
            careful: 0,
            last_careful: 0,
            idempotency_key: String::new(),
        }
    }

    async fn open_producer(&mut self) -> Result<(), Failure> {
        if let Some(name) = reserved_property(&self.config) {
            let detail = format!("the property {name:?} is the relay's own and cannot be set");
            return Err(Failure::new(FailureClass::Unavailable, classify::SETTINGS, detail));
        }
        let spent = self.ledger.producer_is_spent();
        if spent && tokio::time::timeout(WIRE_TIMEOUT, self.ledger.idle()).await.is_err() {
            let detail = format!(
                "{} messages of the failed producer are still on the wire; it is replaced when they are answered",
                self.ledger.unanswered()
            );
            return Err(Failure::new(FailureClass::Unavailable, classify::REBUILD, detail));
        }
        let lessons = self.ledger.mend();
        self.missing_topic = lessons.missing_topic.or(self.missing_topic.take());
        if lessons.suspects > 0 {
            // A topic whose limit is below the size of a request refuses full requests again and again: each
            // time the careful phase is twice as long.
            self.careful = lessons.suspects.max(self.last_careful * 2);
            self.last_careful = self.careful;
        }
        if spent || self.producer.is_none() {
            self.replace_producer().await?;
        }
        Ok(())
    }

    async fn replace_producer(&mut self) -> Result<(), Failure> {
        if let Some(producer) = self.producer.take() {
            producer.stop().await;
        }
        let batching = if self.careful > 0 { Batching::One } else { Batching::Full };
        self.producer = Some(Producer::start(&self.config, batching, &self.ledger)?);
        Ok(())
    }

    async fn ask_brokers(&mut self) -> Result<(), Failure> {
        let Some(producer) = &self.producer else { return Ok(()) };
        let topic = self.missing_topic.clone().or_else(|| self.known_topic.clone());
        producer.ask(topic, METADATA_TIMEOUT).await?;
        self.missing_topic = None;
        Ok(())
    }

    /// Ends a careful phase: the producer that sends one by one makes way for one that batches.
    async fn end_careful_phase(&mut self) {
        self.ledger.idle().await;
        if self.ledger.broken().is_none()
            && let Err(failure) = self.replace_producer().await
        {
            self.ledger.break_producer(&failure);
        }
    }

    async fn send_all(&mut self, batch_id: u64, batch: &MessageBatch, indexes: Vec<u32>) {
        let one_by_one = self.producer.as_ref().is_some_and(|it| it.batching() == Batching::One);
        if one_by_one && self.careful == 0 {
            self.end_careful_phase().await;
        }
        self.careful = self.careful.saturating_sub(indexes.len());
        let slot = self.ledger.register(batch_id, indexes.clone());
        for index in indexes {
            let ticket = Ledger::ticket(slot, index);
            if let Err(failure) = self.send_one(batch, index, ticket).await {
                self.ledger.answer(ticket, Answer::NotSent(failure));
            }
        }
    }

    async fn send_one(&mut self, batch: &MessageBatch, index: u32, ticket: Ticket) -> Result<(), Failure> {
        let Some(message) = batch.get(index) else {
            return Err(classify::unknown(format!("the batch has no message {index}")));
        };
        let bytes = weight(message.key(), message.body());
        self.ledger.make_room(bytes).await;
        let outcome = self.hand_over(message, ticket).await;
        if outcome.is_err() {
            self.ledger.free(bytes);
        }
        outcome
    }

    async fn hand_over(&mut self, message: MessageRef<'_>, ticket: Ticket) -> Result<(), Failure> {
        loop {
            // Looked at before each try, for a failure may arrive while the lane waits for room.
            if let Some(cause) = self.ledger.broken() {
                return Err(classify::behind(&cause));
            }
            let Some(producer) = &self.producer else {
                let detail = "the sink was not opened".to_owned();
                return Err(Failure::new(FailureClass::Unavailable, classify::UNREACHABLE, detail));
            };
            match producer.send(record(message, ticket, &mut self.idempotency_key)) {
                Ok(()) => {
                    if self.known_topic.is_none() {
                        self.known_topic = Some(message.place().to_owned());
                    }
                    return Ok(());
                }
                Err(RDKafkaErrorCode::QueueFull) => tokio::time::sleep(QUEUE_FULL_PAUSE).await,
                // Refused before it was queued, so the size is this message's own.
                Err(code) => return Err(classify::failure(code, message.place(), Batching::One)),
            }
        }
    }
}

/// The record of `message`: its own headers, the event's id and the idempotency key. Each header costs 0.3 s of
/// CPU per million messages, so there is nothing more.
fn record<'a>(
    message: MessageRef<'a>,
    ticket: Ticket,
    idempotency_key: &mut String,
) -> BaseRecord<'a, [u8], [u8], usize> {
    idempotency_key.clear();
    message.write_idempotency_key(idempotency_key);
    let mut headers = OwnedHeaders::new();
    for (name, value) in message.headers() {
        headers = headers.insert(Header { key: name, value: Some(value) });
    }
    let headers = headers
        .insert(Header { key: ID_HEADER, value: Some(message.event().id()) })
        .insert(Header { key: KEY_HEADER, value: Some(idempotency_key.as_str()) });
    BaseRecord {
        topic: message.place(),
        partition: message.partition(),
        payload: message.body(),
        key: message.key(),
        // Not the event's own time: brokers age the state of idempotent producers, and retention, by the time in
        // the record, so that a drained backlog could be stored twice and dropped soon after.
        timestamp: message.timestamp(),
        headers: Some(headers),
        delivery_opaque: ticket.0,
    }
}

impl Sink for KafkaSink {
    fn traits(&self) -> SinkTraits {
        SinkTraits { ordered_prefix: true, max_message: Some(max_message(&self.config)) }
    }

    fn open(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        async {
            self.open_producer().await?;
            self.ask_brokers().await
        }
        .boxed()
    }

    fn away(&self) -> Option<Failure> {
        self.ledger.away()
    }

    fn send(&mut self, batch_id: u64, batch: Arc<MessageBatch>, indexes: Vec<u32>) -> BoxFuture<'_, ()> {
        async move { self.send_all(batch_id, &batch, indexes).await }.boxed()
    }

    fn sent_headers(&self, message: MessageRef<'_>) -> Vec<SentHeader> {
        let mut idempotency_key = String::new();
        message.write_idempotency_key(&mut idempotency_key);
        let own = message.headers().map(|(name, value)| SentHeader::shown(name, value));
        let added = [(ID_HEADER, message.event().id()), (KEY_HEADER, &idempotency_key)];
        let added = added.map(|(name, value)| SentHeader::shown(name, value.as_bytes()));
        own.chain(added).collect()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            // An elapsed deadline is answered below.
            let _ = tokio::time::timeout(CLOSE_GRACE, self.ledger.idle()).await;
            if let Some(producer) = self.producer.take() {
                producer.stop().await;
            }
            self.ledger.fail_rest(&classify::unknown("the sink was closed before the answer came"));
        }
        .boxed()
    }
}
