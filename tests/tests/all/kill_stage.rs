//! A shop whose relay is killed at a chosen point, and the count of what may arrive twice for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use relay_tests::journal::{Journal, Observed, check, write_at_once};
use relay_tests::program::{Relay, Window};
use sqlx::{Connection as _, PgConnection};

use crate::relay_tables::{LaneRow, RelayTables};
use crate::shop::{Proxies, Shop};

pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// Kafka, NATS and HTTP.
pub(crate) const LANES: usize = 3;
/// Events of one transaction, each of a key of its own: fewer than a batch, a window and what HTTP has under way, so
/// that all of them are at the same point.
pub(crate) const AT_ONCE: u64 = 40;

const WINDOW: Window = Window::Events { events: 200, batch: 50 };

/// A shop, its relay, and what is known of both.
pub(crate) struct KillStage {
    pub(crate) shop: Shop,
    pub(crate) relay: Relay,
    pub(crate) tables: RelayTables,
    journal: Journal,
    writers: u32,
    /// Events by sink that had arrived and were not settled when the relay was started again.
    repeats: BTreeMap<&'static str, BTreeSet<String>>,
}

impl KillStage {
    /// A shop where some events have arrived and are settled.
    pub(crate) async fn open(name: &'static str) -> Self {
        Self::of(Shop::open(name, WINDOW).await).await
    }

    /// The same, with proxies before Kafka and NATS.
    pub(crate) async fn open_behind_proxies(name: &'static str) -> (Self, Proxies) {
        let (shop, proxies) = Shop::open_behind_proxies(name, WINDOW).await;
        (Self::of(shop).await, proxies)
    }

    async fn of(shop: Shop) -> Self {
        let relay = Relay::start(&shop.settings).await.unwrap();
        let tables = RelayTables::of(&shop.url).await;
        let (journal, repeats) = (Journal::default(), BTreeMap::new());
        let mut stage = Self { shop, relay, tables, journal, writers: 0, repeats };
        stage.write().await;
        stage.wait_until_settled().await;
        stage.tables.note_held().await;
        stage
    }

    /// Commits one event of each key in one transaction.
    pub(crate) async fn write(&mut self) {
        let keys = (0..AT_ONCE).map(|number| format!("order-{number}"));
        write_at_once(&self.shop.url, self.writers, keys, &mut self.journal).await.unwrap();
        self.writers += 1;
    }

    /// How many events were committed.
    pub(crate) fn committed(&self) -> u64 {
        self.journal.committed() as u64
    }

    /// Waits until each sink holds so many messages.
    pub(crate) async fn wait_until_arrived(&mut self, messages: u64) {
        self.shop.wait_for_messages(messages, &mut self.relay, LIMIT).await;
    }

    pub(crate) async fn wait_until_settled(&mut self) {
        self.tables.wait_until_settled(LANES, &mut self.relay, LIMIT).await;
    }

    /// Starts the relay again, and answers how many events each sink had that no lane had settled.
    pub(crate) async fn start_again(&mut self) -> BTreeMap<&'static str, usize> {
        let lanes = self.tables.lanes().await;
        let places = places(&self.shop.url).await;
        let mut counts = BTreeMap::new();
        for (sink, observed) in self.shop.observed().await {
            let settled = lanes.iter().find(|lane| lane.sink == lane_of(sink)).unwrap().sequence;
            let arrived = observed.iter().map(event_id);
            let again: BTreeSet<String> = arrived.filter(|id| places[id.as_str()] > settled).collect();
            counts.insert(sink, again.len());
            self.repeats.entry(sink).or_default().extend(again);
        }
        self.relay.restart().unwrap();
        counts
    }

    /// Lets everything arrive, and holds that against what was promised: nothing lost, in order, nothing put aside,
    /// and exactly those events twice that had arrived unsettled at a kill, as one contiguous replay.
    pub(crate) async fn finish(mut self) -> Vec<LaneRow> {
        self.wait_until_settled().await;
        // What would be sent again is read again before these.
        self.write().await;
        self.wait_until_settled().await;
        let status = self.relay.stop(LIMIT).await.unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.relay.log());
        for (sink, observed) in self.shop.observed().await {
            let report = check(&self.journal, &observed);
            assert!(report.violations().is_empty(), "{sink}: {report}");
            assert!(report.replays <= 1, "one replay; {sink}: {report}");
            // NATS knows a repeat by its idempotency key and stores it once.
            let expected = self.repeats.remove(sink).filter(|_| sink != "nats").unwrap_or_default();
            assert_eq!(repeated(&observed), expected, "{sink}: {report}");
            assert_eq!(report.duplicates, expected.len(), "twice and not more often; {sink}: {report}");
        }
        assert_eq!(self.tables.were_held().await, [] as [String; 0], "a kill is no event's fault");
        self.tables.lanes().await
    }
}

/// The sink of the settings behind a name of [`Shop::observed`].
fn lane_of(sink: &str) -> &'static str {
    match sink {
        "kafka" => "events",
        "nats" => "tell",
        _ => "billing",
    }
}

/// The id in an idempotency key, which is `PIPELINE/ID/SLOT`.
pub(crate) fn event_id(message: &Observed) -> String {
    message.idempotency_key.split('/').nth(1).unwrap().to_owned()
}

fn repeated(observed: &[Observed]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    observed.iter().map(event_id).filter(|id| !seen.insert(id.clone())).collect()
}

/// Where each event stands in the outbox.
async fn places(url: &str) -> HashMap<String, i64> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT id::text, seq FROM outbox").fetch_all(&mut connection).await.unwrap();
    rows.into_iter().collect()
}
