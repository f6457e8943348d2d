//! The stages alone: what the clients that the relay is made of can do on this machine.

use std::future::Future;
use std::time::{Duration, Instant};

use async_nats::jetstream::message::PublishMessage;
use futures_util::{StreamExt, TryStreamExt};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use relay_tests::journal::WrittenEvent;
use relay_tests::program::Usage;
use sqlx::{Connection, PgConnection, Row};

use crate::Outcome;
use crate::arguments::SinkKind;
use crate::report::Stage;
use crate::site::{Site, Target};

const BATCH: i64 = 2_000;
const KEYS: u64 = 10_000;
/// What waits for an acknowledgement, in JetStream and HTTP.
const NATS_WINDOW: usize = 5_000;
const HTTP_CONCURRENCY: usize = 64;
/// While librdkafka's queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// Reads the whole outbox in the order of `seq`, without looking at what it reads.
pub(crate) async fn select(site: &Site, events: u64, round: u32) -> Outcome<Stage> {
    let url = site.url.clone();
    measured("bare: SELECT by seq", round, events, async move {
        let mut connection = PgConnection::connect(&url).await?;
        let (mut last, mut read) = (0_i64, 0);
        loop {
            let rows = sqlx::query(
                "SELECT seq, id::text, aggregatetype, aggregateid, type, payload, headers::text, created_at::text \
                 FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2",
            )
            .bind(last)
            .bind(BATCH)
            .fetch_all(&mut connection)
            .await?;
            let Some(end) = rows.last() else { break };
            last = end.try_get(0)?;
            read += rows.len() as u64;
        }
        if read == events { Ok(()) } else { Err(format!("read {read} events").into()) }
    })
    .await
}

/// Sends as many messages as the relay will, alike in size, keys and headers.
pub(crate) async fn sink(site: &Site, sink: SinkKind, events: u64, round: u32) -> Outcome<Stage> {
    let place = format!("bare-{}-{round}", sink.name());
    let target = site.target(sink, &place).await?;
    match target {
        Target::Kafka { brokers, .. } => {
            let work =
                async move { tokio::task::spawn_blocking(move || kafka(&brokers, &place, events)).await? };
            measured("bare: librdkafka", round, events, work).await
        }
        Target::Nats { context, .. } => {
            measured("bare: JetStream", round, events, nats(context, place, events)).await
        }
        Target::Http { url, receiver } => {
            let stage =
                measured("bare: HTTP client", round, events, http(format!("{url}/orders"), events)).await;
            drop(receiver);
            stage
        }
    }
}

async fn measured(
    name: &str,
    round: u32,
    events: u64,
    work: impl Future<Output = Outcome<()>>,
) -> Outcome<Stage> {
    eprintln!("round {round}: {name}");
    let (before, start) = (Usage::of(std::process::id()), Instant::now());
    work.await?;
    let seconds = start.elapsed().as_secs_f64();
    let used = Usage::of(std::process::id()).since(before);
    Ok(Stage {
        name: name.to_owned(),
        round,
        events,
        seconds,
        processor_seconds_per_million: used.processor.as_secs_f64() * 1e6 / events as f64,
        peak_memory_mib: None,
    })
}

fn body() -> String {
    WrittenEvent::new(0, 0, "order-1", 1).body()
}

fn kafka(brokers: &str, topic: &str, events: u64) -> Outcome<()> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .set("queue.buffering.max.messages", "100000")
        .create()?;
    let body = body();
    for number in 0..events {
        let (key, id) = (format!("order-{}", number % KEYS), number.to_string());
        let mut record = BaseRecord::to(topic).key(&key).payload(&body).headers(headers(&id));
        while let Err((error, returned)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            pause(QUEUE_PAUSE);
            record = returned;
        }
    }
    while producer.in_flight_count() > 0 {
        pause(QUEUE_PAUSE);
    }
    Ok(())
}

fn headers(id: &str) -> OwnedHeaders {
    let headers = [("id", id), ("tenant", "tenant-1"), ("origin", "bench")];
    headers.into_iter().fold(OwnedHeaders::new_with_capacity(3), |all, (key, value)| {
        all.insert(Header { key, value: Some(value) })
    })
}

async fn nats(context: async_nats::jetstream::Context, subject: String, events: u64) -> Outcome<()> {
    let body = bytes::Bytes::from(body());
    futures_util::stream::iter(0..events)
        .map(|number| {
            let message = PublishMessage::build().payload(body.clone()).message_id(number.to_string());
            let (context, subject) = (context.clone(), subject.clone());
            async move { context.send_publish(subject, message).await?.await }
        })
        .buffered(NATS_WINDOW)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    Ok(())
}

async fn http(url: String, events: u64) -> Outcome<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().pool_max_idle_per_host(HTTP_CONCURRENCY).build()?;
    let body = bytes::Bytes::from(body());
    futures_util::stream::iter(0..events)
        .map(|number| {
            let request = client.post(&url).header("webhook-id", number.to_string()).body(body.clone());
            async move { request.send().await?.error_for_status()?.bytes().await }
        })
        .buffer_unordered(HTTP_CONCURRENCY)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "librdkafka gives no signal when its queue has room")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
