//! A shop whose orders go through the router to Kafka, NATS and HTTP: what the end-to-end tests share.

use std::time::{Duration, Instant};

use relay_tests::journal::{Journal, Observed, Report, check, create_outbox};
use relay_tests::program::{Destinations, Relay, Window, component, settings};
use relay_tests::stack::{HttpReceiver, Kafka, Nats, shared_kafka, shared_nats, shared_postgres};

/// How often the sinks are counted.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Shop {
    /// The database, or the SQLite file.
    pub(crate) url: String,
    /// The text of its `relay.toml`.
    pub(crate) settings: String,
    pub(crate) receiver: HttpReceiver,
    kafka: &'static Kafka,
    nats: &'static Nats,
    name: &'static str,
}

impl Shop {
    /// A shop with an outbox in Postgres.
    pub(crate) async fn open(name: &'static str, window: Window) -> Self {
        let url = shared_postgres().await.unwrap().create_database(name).await.unwrap();
        create_outbox(&url).await.unwrap();
        Self::open_at(name, url, window).await
    }

    /// A shop with the outbox at `url`.
    pub(crate) async fn open_at(name: &'static str, url: String, window: Window) -> Self {
        let (kafka, nats) = (shared_kafka().await.unwrap(), shared_nats().await.unwrap());
        kafka.create_topic(name, 4).await.unwrap();
        nats.create_stream(name, &[name]).await.unwrap();
        let receiver = HttpReceiver::start().unwrap();
        let router = component("router").await.unwrap();
        let to = Destinations {
            kafka: Some((&kafka.brokers(), name)),
            nats: Some((&nats.url(), name)),
            http: Some((&receiver.url(), "/orders")),
        };
        let settings = settings(&url, &router, to, window);
        Self { url, settings, receiver, kafka, nats, name }
    }

    /// How many messages each sink holds: Kafka, NATS, HTTP.
    async fn counts(&self) -> [u64; 3] {
        let kafka = self.kafka.count(self.name).await.unwrap();
        let nats = self.nats.count(self.name).await.unwrap();
        [u64::try_from(kafka).unwrap(), nats, u64::try_from(self.receiver.count()).unwrap()]
    }

    /// Waits until each sink holds all that was committed, and fails at once when the relay ends meanwhile.
    ///
    /// Repeats count as messages, so it looks at the messages themselves once there are enough of them.
    pub(crate) async fn wait_for_all(&self, journal: &Journal, relay: &mut Relay, limit: Duration) {
        let deadline = Instant::now() + limit;
        let committed = journal.committed() as u64;
        loop {
            let counts = self.counts().await;
            if counts.iter().all(|count| *count >= committed) {
                let reports = self.reports(journal).await;
                if reports.iter().all(|(_, report)| report.lost.is_empty()) {
                    return;
                }
            }
            if let Some(status) = relay.ended() {
                panic!(
                    "the relay ended ({status}) with {counts:?} of {committed} delivered:\n{}",
                    relay.log()
                );
            }
            let late = Instant::now() > deadline;
            assert!(
                !late,
                "{counts:?} of {committed} delivered in {limit:?}; the relay's log:\n{}",
                relay.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until Kafka and NATS hold all that was committed, whatever HTTP holds.
    pub(crate) async fn wait_for_others(&self, journal: &Journal, relay: &mut Relay, limit: Duration) {
        let deadline = Instant::now() + limit;
        let committed = journal.committed() as u64;
        loop {
            let [kafka, nats, _] = self.counts().await;
            if kafka >= committed && nats >= committed {
                return;
            }
            let running = relay.ended().is_none() && Instant::now() < deadline;
            assert!(running, "Kafka {kafka}, NATS {nats} of {committed}; the relay's log:\n{}", relay.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until so many requests have come, and fails at once when the relay ends meanwhile.
    pub(crate) async fn wait_for_requests(&self, count: u64, relay: &mut Relay, limit: Duration) {
        let count = usize::try_from(count).unwrap();
        tokio::select! {
            arrived = self.receiver.wait_for(count, limit) => {
                assert!(arrived.is_ok(), "{}; the relay's log:\n{}", arrived.unwrap_err(), relay.log());
            }
            ended = relay.wait_for_end(limit) => panic!("the relay ended: {ended:?}:\n{}", relay.log()),
        }
    }

    /// What the checker says of each sink.
    pub(crate) async fn reports(&self, journal: &Journal) -> [(&'static str, Report); 3] {
        let kafka = self.kafka.read_all(self.name).await.unwrap();
        let nats = self.nats.read_stream(self.name).await.unwrap();
        let http = self.receiver.received();
        let kafka: Vec<Observed> = kafka.iter().map(Into::into).collect();
        let nats: Vec<Observed> = nats.iter().map(Into::into).collect();
        let http: Vec<Observed> = http.iter().map(Into::into).collect();
        [("kafka", check(journal, &kafka)), ("nats", check(journal, &nats)), ("http", check(journal, &http))]
    }
}
