//! From commit to the broker's log, at a steady rate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use relay_tests::program::{Destinations, Profile, Relay, Window, component, settings};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::report::Latency;
use crate::site::Site;

/// Enough that a commit's own flush does not hold the rate back.
const WRITERS: usize = 16;
const TOPIC: &str = "latency";
/// What comes in these is not counted: the plugin is compiled, connections open.
const WARM_UP: Duration = Duration::from_secs(3);
const DRAIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// When each event's commit was acknowledged to its writer.
type Commits = Arc<Vec<OnceLock<Instant>>>;

/// Writes single-row transactions at the rate and measures until a consumer has each record: later than its append
/// by one fetch, so the figures are upper bounds.
pub(crate) async fn measure(site: &Site, arguments: &Arguments) -> Outcome<Latency> {
    let brokers = site.kafka()?.brokers();
    site.kafka()?.create_topic(TOPIC, 1).await?;
    let to = Destinations { kafka: Some((&brokers, TOPIC)), ..Destinations::default() };
    let text = settings(&site.url, &component("router").await?, to, Window::Standard);
    let mut relay = Relay::start_built(&text, Profile::Release).await?;

    let warm_up = arguments.rate * WARM_UP.as_secs();
    let events = warm_up + arguments.rate * arguments.seconds;
    let commits: Commits = Arc::new((0..events).map(|_| OnceLock::new()).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, ended) = (Arc::clone(&commits), Arc::clone(&stop));
    let consumer = tokio::task::spawn_blocking(move || consume(&brokers, &seen, &ended));
    eprintln!("{} commits a second for {} s", arguments.rate, arguments.seconds);
    write(&site.url, arguments.rate, events, &commits).await?;
    let usage = relay.usage();
    wait_for_arrivals(site, events, &mut relay).await?;
    stop.store(true, Ordering::Relaxed);
    let mut arrivals = consumer.await??;
    relay.stop(DRAIN).await?;
    arrivals.retain(|(number, _)| *number >= warm_up);
    let total = Duration::from_secs(arguments.seconds) + WARM_UP;
    Ok(summary(arrivals.into_iter().map(|(_, latency)| latency).collect(), usage.processor, total))
}

async fn write(url: &str, rate: u64, events: u64, commits: &Commits) -> Outcome<()> {
    let mut writers = JoinSet::new();
    let start = tokio::time::Instant::now();
    for first in 0..WRITERS as u64 {
        let (url, commits) = (url.to_owned(), Arc::clone(commits));
        // Writer n commits events n, n + WRITERS, …, each at its own moment.
        writers.spawn(async move {
            let mut connection = PgConnection::connect(&url).await?;
            let gap = Duration::from_secs_f64(1.0 / rate as f64);
            let offset = gap.mul_f64(first as f64);
            let mut ticks = tokio::time::interval_at(start + offset, gap.mul_f64(WRITERS as f64));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in (first..events).step_by(WRITERS) {
                ticks.tick().await;
                insert(&mut connection, number).await?;
                if let Some(commit) = usize::try_from(number).ok().and_then(|it| commits.get(it)) {
                    // Each number has one writer.
                    let _ = commit.set(Instant::now());
                }
            }
            Ok::<_, sqlx::Error>(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

async fn insert(connection: &mut PgConnection, number: u64) -> sqlx::Result<()> {
    let filling = "x".repeat(260);
    sqlx::query(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, headers) \
         VALUES ('order', $1, 'OrderPlaced', $2, '{\"origin\": \"bench\"}')",
    )
    .bind(format!("order-{}", number % 10_000))
    .bind(format!("{{\"number\":{number},\"filling\":\"{filling}\"}}"))
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes records as they come and notes how long after their commits. A record that comes before its writer heard
/// of the commit counts as 0.
fn consume(brokers: &str, commits: &Commits, stop: &AtomicBool) -> Outcome<Vec<(u64, Duration)>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "latency")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(TOPIC, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let mut arrivals = Vec::with_capacity(commits.len());
    loop {
        let Some(message) = consumer.poll(POLL) else {
            if stop.load(Ordering::Relaxed) {
                return Ok(arrivals);
            }
            continue;
        };
        let now = Instant::now();
        let message = message?;
        let body: serde_json::Value = serde_json::from_slice(message.payload().unwrap_or_default())?;
        let number = body["number"].as_u64().ok_or("a record without its number")?;
        let committed = usize::try_from(number).ok().and_then(|it| commits.get(it)).and_then(OnceLock::get);
        arrivals.push((number, committed.map_or(Duration::ZERO, |commit| now - *commit)));
    }
}

async fn wait_for_arrivals(site: &Site, events: u64, relay: &mut Relay) -> Outcome<()> {
    let deadline = Instant::now() + DRAIN;
    let mut ticks = tokio::time::interval(POLL);
    while u64::try_from(site.kafka()?.count(TOPIC).await?)? < events {
        if Instant::now() > deadline || relay.ended().is_some() {
            return Err(format!("not all events arrived; the relay's log:\n{}", relay.log()).into());
        }
        ticks.tick().await;
    }
    Ok(())
}

fn summary(mut latencies: Vec<Duration>, processor: Duration, total: Duration) -> Latency {
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len().saturating_sub(1) as f64 * share) as usize;
        latencies.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    Latency {
        events: latencies.len(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        processor_cores: processor.as_secs_f64() / total.as_secs_f64(),
    }
}
