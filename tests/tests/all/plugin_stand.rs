//! A relay with one plugin whose builds are exchanged: an SQLite outbox, the router, an HTTP receiver.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use relay_tests::journal::{Observed, SqliteWriter, check};
use relay_tests::program::{Destinations, Relay, Window, another_build, component, put, settings};
use relay_tests::stack::{HttpReceiver, free_port};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const KEYS: u64 = 5;

pub(crate) struct PluginStand {
    pub(crate) relay: Relay,
    /// The text of its `relay.toml`.
    pub(crate) settings: String,
    /// Where the relay expects the component.
    pub(crate) place: PathBuf,
    /// The router as it was built.
    pub(crate) router: Vec<u8>,
    receiver: HttpReceiver,
    writer: SqliteWriter,
    written: usize,
    is_killed: bool,
    _folder: TempDir,
}

impl PluginStand {
    /// Starts the relay with the router, and waits until it has delivered.
    pub(crate) async fn open() -> Self {
        Self::open_with(|settings| settings).await
    }

    /// As [`PluginStand::open`], with an admin server that can be asked.
    pub(crate) async fn open_with_admin() -> Self {
        let port = free_port().unwrap();
        let listen = format!("listen = \"127.0.0.1:{port}\"");
        Self::open_with(|settings| settings.replace("listen = \"off\"", &listen)).await
    }

    /// As [`PluginStand::open`], with other settings.
    pub(crate) async fn open_with(change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("shop.db");
        let writer = SqliteWriter::create(&database).await.unwrap();
        let receiver = HttpReceiver::start().unwrap();
        let router = std::fs::read(component("router").await.unwrap()).unwrap();
        let place = folder.path().join("router.wasm");
        std::fs::write(&place, &router).unwrap();
        let to = Destinations { http: Some((&receiver.url(), "/orders")), ..Destinations::default() };
        let settings = change(settings(&database.display().to_string(), &place, to, Window::Standard));
        let relay = Relay::start(&settings).await.unwrap();
        let mut stand = Self {
            relay,
            settings,
            place,
            router,
            receiver,
            writer,
            written: 0,
            is_killed: false,
            _folder: folder,
        };
        stand.deliver(10).await;
        stand
    }

    /// Puts a build in the place of the plugin, as build tools do: the watcher never sees half of it.
    pub(crate) fn put(&self, bytes: &[u8]) {
        put(bytes, &self.place).unwrap();
    }

    /// The router under another digest, by a custom section that every reader skips.
    pub(crate) fn another(&self, number: u16) -> Vec<u8> {
        another_build(&self.router, number)
    }

    /// What `relay plugin` says.
    pub(crate) async fn plugin(&self, arguments: &[&str]) -> Result<String, String> {
        let command = [&["plugin"], arguments].concat();
        self.relay.ask(&command).await.map_err(|error| error.to_string())
    }

    /// The builds that `relay plugin history` knows, the newest first.
    pub(crate) async fn history(&self) -> Vec<Value> {
        serde_json::from_str(&self.plugin(&["history", "router", "--json"]).await.unwrap()).unwrap()
    }

    pub(crate) async fn wait(&self, words: &str, times: usize) {
        self.relay.wait_for_log(words, times, LIMIT).await.unwrap();
    }

    /// Commits at least so many more events, and waits until the receiver has every one of them.
    pub(crate) async fn deliver(&mut self, events: usize) {
        self.write(events).await;
        let mut enough = self.written;
        loop {
            let arrived = self.receiver.wait_for(enough, LIMIT).await;
            assert!(arrived.is_ok(), "{}; the relay's log:\n{}", arrived.unwrap_err(), self.relay.log());
            let all = arrived.unwrap();
            // What a killed relay had not settled comes twice.
            let keys: HashSet<_> = all.iter().map(|it| Observed::from(it).idempotency_key).collect();
            if keys.len() >= self.written {
                return;
            }
            enough = all.len() + 1;
        }
    }

    /// Kills the relay and starts it again.
    pub(crate) fn restart(&mut self) {
        self.is_killed = true;
        self.relay.restart().unwrap();
    }

    /// Commits at least so many more events.
    pub(crate) async fn write(&mut self, events: usize) {
        let before = self.writer.committed();
        self.writer.write(before + events, KEYS).await.unwrap();
        self.written += self.writer.committed() - before;
    }

    /// Every event was delivered, once if no relay was killed, in the order of its key, and the relay ends as it should.
    pub(crate) async fn close(mut self) {
        self.deliver(10).await;
        assert_eq!(self.relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", self.relay.log());
        let journal = self.writer.finish().await.unwrap();
        let received: Vec<Observed> = self.receiver.received().iter().map(Observed::from).collect();
        let report = check(&journal, &received);
        assert!(report.violations().is_empty(), "{report}");
        assert!(self.is_killed || report.duplicates == 0, "{report}");
    }
}
