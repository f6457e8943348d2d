//! A shop in an SQLite file whose orders go to an HTTP receiver, each key to a path of its own: a path that refuses
//! spoils one key and no other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use relay_tests::journal::{Journal, Observed, SqliteWriter};
use relay_tests::program::{Destinations, Relay, Window, component, settings};
use relay_tests::stack::HttpReceiver;
use serde_json::Value;
use tempfile::TempDir;

/// How often the side table is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) struct KeyedShop {
    pub(crate) journal: Journal,
    pub(crate) receiver: HttpReceiver,
    pub(crate) folder: TempDir,
    /// The database.
    pub(crate) file: PathBuf,
}

impl KeyedShop {
    /// A shop that has committed `events` events of `keys` keys.
    pub(crate) async fn write(events: usize, keys: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        let mut writer = SqliteWriter::create(&file).await.unwrap();
        writer.write(events, keys).await.unwrap();
        let journal = writer.finish().await.unwrap();
        Self { journal, receiver: HttpReceiver::start().unwrap(), folder, file }
    }

    /// Its `relay.toml`: so many attempts in quick succession, and further `lines` for the pipeline.
    pub(crate) async fn settings(&self, attempts: u32, lines: &str) -> String {
        let router = component("router").await.unwrap();
        let to = Destinations { http: Some((&self.receiver.url(), "/orders")), ..Destinations::default() };
        let retry = format!("retry = {{ first = \"10 ms\", max = \"20 ms\", attempts = {attempts} }}");
        settings(&self.file.display().to_string(), &router, to, Window::Standard)
            .replace("http = \"/orders\"", "http = \"/orders/{aggregateid}\"")
            .replace("sinks = [", &format!("{retry}\n{lines}\nsinks = ["))
    }

    /// What the receiver accepted: all but the first `refused` requests, of `path` where one is given.
    pub(crate) fn accepted(&self, refused: usize, path: Option<&str>) -> Vec<Observed> {
        let mut to_refuse = refused;
        let requests = self.receiver.received();
        let accepted = requests.iter().filter(|request| {
            let counts = to_refuse > 0 && path.is_none_or(|path| request.path == path);
            to_refuse -= usize::from(counts);
            !counts
        });
        accepted.map(Into::into).collect()
    }

    /// How many requests came for `path`.
    pub(crate) fn requests_for(&self, path: &str) -> usize {
        self.receiver.received().iter().filter(|request| request.path == path).count()
    }
}

/// What `relay dead list` shows.
pub(crate) async fn dead(relay: &Relay) -> Vec<Value> {
    let listed = relay.ask(&["dead", "list", "--json"]).await.unwrap();
    serde_json::from_str(&listed).unwrap()
}

/// How many dead letters these groups hold.
pub(crate) fn count(dead: &[Value]) -> u64 {
    dead.iter().map(|group| group["count"].as_u64().unwrap()).sum()
}

/// Waits until so many are dead: the log tells of one before it is settled, and a relay that has told of one has made
/// its tables.
pub(crate) async fn wait_for_dead(relay: &Relay, letters: u64, limit: Duration) -> Vec<Value> {
    relay.wait_for_log("dead letter", 1, limit).await.unwrap();
    let deadline = Instant::now() + limit;
    loop {
        let listed = dead(relay).await;
        if count(&listed) >= letters {
            return listed;
        }
        assert!(Instant::now() < deadline, "{listed:?}, not {letters}; the relay's log:\n{}", relay.log());
        tokio::time::sleep(LOOK).await;
    }
}
