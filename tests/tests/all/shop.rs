//! A shop whose orders go through the router to Kafka, NATS and HTTP: what the end-to-end tests share.

use std::ops::Deref;
use std::time::{Duration, Instant};

use relay_tests::journal::{Journal, Observed, Report, check, create_outbox};
use relay_tests::program::{Destinations, Relay, Window, component, settings};
use relay_tests::stack::{HttpReceiver, Kafka, Nats, TcpProxy, shared_kafka, shared_nats, shared_postgres};

/// How often the sinks are counted.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Shop {
    /// The database, or the SQLite file.
    pub(crate) url: String,
    /// The text of its `relay.toml`.
    pub(crate) settings: String,
    pub(crate) receiver: HttpReceiver,
    pub(crate) kafka: Server<Kafka>,
    pub(crate) nats: Server<Nats>,
    pub(crate) name: &'static str,
}

/// A sink's server.
pub(crate) enum Server<T: 'static> {
    /// Other tests use it too, so nobody may hurt it.
    Shared(&'static T),
    Own(Box<T>),
}

impl<T> Server<T> {
    /// The server, to be hurt.
    pub(crate) fn own(&mut self) -> &mut T {
        match self {
            Self::Own(server) => server,
            Self::Shared(_) => panic!("this server is other tests' too"),
        }
    }
}

impl<T> Deref for Server<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Own(server) => server,
            Self::Shared(server) => server,
        }
    }
}

/// What stands between the relay and the brokers of [`Shop::open_behind_proxies`].
pub(crate) struct Proxies {
    pub(crate) kafka: TcpProxy,
    pub(crate) nats: TcpProxy,
}

impl Shop {
    /// A shop with an outbox in Postgres.
    pub(crate) async fn open(name: &'static str, window: Window) -> Self {
        Self::open_at(name, database(name).await, window).await
    }

    /// A shop with the outbox at `url`.
    pub(crate) async fn open_at(name: &'static str, url: String, window: Window) -> Self {
        let kafka = Server::Shared(shared_kafka().await.unwrap());
        let nats = Server::Shared(shared_nats().await.unwrap());
        Self::build(name, url, window, kafka, nats, None).await
    }

    /// A shop whose sinks are its own, so that a test may stop them.
    pub(crate) async fn open_with_own_sinks(name: &'static str, window: Window) -> Self {
        let (kafka, nats) = tokio::join!(Kafka::start(), Nats::start());
        let (kafka, nats) = (Server::Own(Box::new(kafka.unwrap())), Server::Own(Box::new(nats.unwrap())));
        Self::build(name, database(name).await, window, kafka, nats, None).await
    }

    /// A shop that reaches Kafka and NATS through proxies, so that a test may hold back what they answer.
    pub(crate) async fn open_behind_proxies(name: &'static str, window: Window) -> (Self, Proxies) {
        let (kafka, proxy) = Kafka::start_behind_proxy().await.unwrap();
        let nats = shared_nats().await.unwrap();
        let nats_proxy = TcpProxy::start(&format!("127.0.0.1:{}", nats.port())).unwrap();
        let nats_url = format!("nats://{}", nats_proxy.address());
        let (kafka, nats) = (Server::Own(Box::new(kafka)), Server::Shared(nats));
        let shop = Self::build(name, database(name).await, window, kafka, nats, Some(nats_url)).await;
        (shop, Proxies { kafka: proxy, nats: nats_proxy })
    }

    async fn build(
        name: &'static str,
        url: String,
        window: Window,
        kafka: Server<Kafka>,
        nats: Server<Nats>,
        nats_url: Option<String>,
    ) -> Self {
        // Records tell when they arrived.
        let timed = [("message.timestamp.type", "LogAppendTime")];
        kafka.create_topic_with(name, 4, &timed).await.unwrap();
        nats.create_stream(name, &[name]).await.unwrap();
        let receiver = HttpReceiver::start().unwrap();
        let router = component("router").await.unwrap();
        let to = Destinations {
            kafka: Some((&kafka.brokers(), name)),
            nats: Some((&nats_url.unwrap_or_else(|| nats.url()), name)),
            http: Some((&receiver.url(), "/orders")),
        };
        let settings = settings(&url, &router, to, window);
        Self { url, settings, receiver, kafka, nats, name }
    }

    /// How many messages each sink holds: Kafka, NATS, HTTP.
    pub(crate) async fn counts(&self) -> [u64; 3] {
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

    /// Waits until each sink holds so many messages.
    pub(crate) async fn wait_for_messages(&self, messages: u64, relay: &mut Relay, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let counts = self.counts().await;
            if counts.iter().all(|count| *count >= messages) {
                return;
            }
            let running = relay.ended().is_none() && Instant::now() < deadline;
            assert!(running, "{counts:?}, not {messages}; the relay's log:\n{}", relay.log());
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

    /// What each sink holds.
    pub(crate) async fn observed(&self) -> [(&'static str, Vec<Observed>); 3] {
        let kafka = self.kafka.read_all(self.name).await.unwrap();
        let nats = self.nats.read_stream(self.name).await.unwrap();
        let http = self.receiver.received();
        [
            ("kafka", kafka.iter().map(Into::into).collect()),
            ("nats", nats.iter().map(Into::into).collect()),
            ("http", http.iter().map(Into::into).collect()),
        ]
    }

    /// What the checker says of each sink.
    pub(crate) async fn reports(&self, journal: &Journal) -> [(&'static str, Report); 3] {
        self.observed().await.map(|(sink, observed)| (sink, check(journal, &observed)))
    }
}

/// A database of its own with an empty outbox.
async fn database(name: &str) -> String {
    let url = shared_postgres().await.unwrap().create_database(name).await.unwrap();
    create_outbox(&url).await.unwrap();
    url
}
