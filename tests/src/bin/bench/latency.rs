//! From commit to the broker's log, at a steady rate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use relay_tests::program::{Destinations, Profile, Relay, Window, component, settings};
use sqlx::{Connection, PgConnection};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::report::Latency;
use crate::site::Site;

/// Enough that a commit's own flush does not hold the rate back.
const WRITERS: usize = 16;
/// What comes in these is not counted: the plugin is compiled, connections open.
const WARM_UP: Duration = Duration::from_secs(3);
const DRAIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// When each event's commit was acknowledged to its writer.
type Commits = Arc<Vec<OnceLock<Instant>>>;

/// What the machine itself takes: each writer hands its event to a bare producer as soon as it heard of its commit,
/// which loses events in a crash.
pub(crate) async fn bare(site: &Site, arguments: &Arguments, round: u32) -> Outcome<Latency> {
    let topic = format!("latency-bare-{round}");
    site.kafka()?.create_topic(&topic, 1).await?;
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", site.kafka()?.brokers())
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create()?;
    let load = Load::new(site, arguments, &topic)?;
    load.write(site, Some(Arc::new((producer, topic.clone())))).await?;
    wait_for_arrivals(site, &topic, load.events, || None).await?;
    Ok(summary("bare: producer at each commit", round, load.finish().await?, None))
}

/// Writes single-row transactions at the rate and measures until a consumer has each record: later than its append
/// by one fetch, so the figures are upper bounds.
pub(crate) async fn relay(site: &Site, arguments: &Arguments, round: u32) -> Outcome<Latency> {
    let topic = format!("latency-relay-{round}");
    let brokers = site.kafka()?.brokers();
    site.kafka()?.create_topic(&topic, 1).await?;
    let to = Destinations { kafka: Some((&brokers, &topic)), ..Destinations::default() };
    let text = settings(&site.url, &component("router").await?, to, Window::Standard);
    // What other stages left in the outbox is not measured.
    let text = text.replace("start = \"beginning\"", "start = \"now\"");
    // A round that came before has left its progress.
    let mut connection = PgConnection::connect(&site.url).await?;
    sqlx::query("DROP SCHEMA IF EXISTS relay CASCADE").execute(&mut connection).await?;
    let mut relay = Relay::start_built(&text, Profile::Release).await?;
    relay.wait_for_log("\"reading\"", 1, DRAIN).await?;
    let load = Load::new(site, arguments, &topic)?;
    let (before, start) = (relay.usage(), Instant::now());
    load.write(site, None).await?;
    let cores = (relay.usage().processor - before.processor).as_secs_f64() / start.elapsed().as_secs_f64();
    let ended = || relay.ended().map(|_| relay.log());
    wait_for_arrivals(site, &topic, load.events, ended).await?;
    let arrivals = load.finish().await?;
    relay.stop(DRAIN).await?;
    Ok(summary("relay: postgres, router, kafka", round, arrivals, Some(cores)))
}

/// Commits at a steady rate, and a consumer that notes when each arrives.
struct Load {
    rate: u64,
    warm_up: u64,
    events: u64,
    commits: Commits,
    stop: Arc<AtomicBool>,
    consumer: JoinHandle<Outcome<Vec<(u64, Duration)>>>,
}

/// A producer and its topic.
type Bare = Arc<(ThreadedProducer<DefaultProducerContext>, String)>;

impl Load {
    fn new(site: &Site, arguments: &Arguments, topic: &str) -> Outcome<Self> {
        let (rate, warm_up) = (arguments.rate, arguments.rate * WARM_UP.as_secs());
        let events = warm_up + rate * arguments.seconds;
        let commits: Commits = Arc::new((0..events).map(|_| OnceLock::new()).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let (brokers, topic) = (site.kafka()?.brokers(), topic.to_owned());
        let (seen, ended) = (Arc::clone(&commits), Arc::clone(&stop));
        let consumer = tokio::task::spawn_blocking(move || consume(&brokers, &topic, &seen, &ended));
        Ok(Self { rate, warm_up, events, commits, stop, consumer })
    }

    async fn write(&self, site: &Site, bare: Option<Bare>) -> Outcome<()> {
        eprintln!("{} commits a second", self.rate);
        write(&site.url, self.rate, self.events, &self.commits, bare).await
    }

    /// Latencies of what came after the warm-up.
    async fn finish(self) -> Outcome<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        let arrivals = self.consumer.await??;
        Ok(arrivals.into_iter().filter(|(number, _)| *number >= self.warm_up).map(|(_, it)| it).collect())
    }
}

async fn write(url: &str, rate: u64, events: u64, commits: &Commits, bare: Option<Bare>) -> Outcome<()> {
    let mut writers = JoinSet::new();
    let start = tokio::time::Instant::now();
    for first in 0..WRITERS as u64 {
        let (url, commits, bare) = (url.to_owned(), Arc::clone(commits), bare.clone());
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
                if let Some((producer, topic)) = bare.as_deref() {
                    let (key, body) = (key(number), body(number));
                    let record = BaseRecord::to(topic).key(&key).payload(&body);
                    producer.send(record).map_err(|(error, _)| error)?;
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

async fn insert(connection: &mut PgConnection, number: u64) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, headers) \
         VALUES ('order', $1, 'OrderPlaced', $2, '{\"origin\": \"bench\"}')",
    )
    .bind(key(number))
    .bind(body(number))
    .execute(connection)
    .await?;
    Ok(())
}

fn key(number: u64) -> String {
    format!("order-{}", number % 10_000)
}

fn body(number: u64) -> String {
    let filling = "x".repeat(260);
    format!("{{\"number\":{number},\"filling\":\"{filling}\"}}")
}

/// Takes records as they come and notes how long after their commits. A record that comes before its writer heard
/// of the commit counts as 0.
fn consume(
    brokers: &str,
    topic: &str,
    commits: &Commits,
    stop: &AtomicBool,
) -> Outcome<Vec<(u64, Duration)>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "latency")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
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

/// `ended` says that nothing more will come, and why.
async fn wait_for_arrivals(
    site: &Site,
    topic: &str,
    events: u64,
    mut ended: impl FnMut() -> Option<String>,
) -> Outcome<()> {
    let deadline = Instant::now() + DRAIN;
    let mut ticks = tokio::time::interval(POLL);
    while u64::try_from(site.kafka()?.count(topic).await?)? < events {
        if let Some(why) = ended().or_else(|| (Instant::now() > deadline).then(String::new)) {
            return Err(format!("not all events arrived: {why}").into());
        }
        ticks.tick().await;
    }
    Ok(())
}

fn summary(name: &'static str, round: u32, mut latencies: Vec<Duration>, cores: Option<f64>) -> Latency {
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len().saturating_sub(1) as f64 * share) as usize;
        latencies.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    Latency {
        name,
        round,
        events: latencies.len(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        processor_cores: cores,
    }
}
