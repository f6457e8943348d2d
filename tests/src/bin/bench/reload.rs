//! How soon the relay delivers after its start, and how soon a new build of a plugin runs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use relay_tests::journal::SqliteWriter;
use relay_tests::program::{Destinations, Profile, Relay, Window, another_build, component, put, settings};
use relay_tests::stack::HttpReceiver;
use tempfile::TempDir;

use crate::Outcome;
use crate::report::Moment;

const LIMIT: Duration = Duration::from_secs(60);
const KEYS: u64 = 10;
/// Log lines that tell of a swap: the plugin's, and the lane's.
const SWAPPED: &str = "plugin swapped: batches";
const TAKEN: &str = "plugin swapped: router";

/// A relay with an SQLite outbox, the router, and an HTTP receiver: no server takes part in what is measured.
struct Stand {
    relay: Relay,
    receiver: HttpReceiver,
    writer: SqliteWriter,
    place: PathBuf,
    router: Vec<u8>,
    _folder: TempDir,
}

/// Measures a start without and with compiled plugins at hand, and a swap to a build that was never seen and to one
/// that was.
pub(crate) async fn moments(round: u32) -> Outcome<Vec<Moment>> {
    eprintln!("round {round}: starts and swaps");
    let (mut stand, cold) = Stand::open().await?;
    let warm = stand.start_again().await?;
    let unseen = stand.swap(&another_build(&stand.router, 1), 1).await?;
    let seen = stand.swap(&stand.router.clone(), 2).await?;
    stand.relay.stop(LIMIT).await?;
    let moment = |name, (step, whole): (Option<Duration>, Duration)| Moment {
        name,
        round,
        step_ms: step.map(|it| it.as_secs_f64() * 1e3),
        whole_ms: whole.as_secs_f64() * 1e3,
    };
    Ok(vec![
        moment("first delivery, nothing compiled", (None, cold)),
        moment("first delivery, compiled before", (None, warm)),
        moment("swap, a build never seen", unseen),
        moment("swap, a build seen before", seen),
    ])
}

impl Stand {
    /// Starts the relay for the first time; with how long its first delivery took.
    async fn open() -> Outcome<(Self, Duration)> {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("shop.db");
        let mut writer = SqliteWriter::create(&database).await?;
        writer.write(1, KEYS).await?;
        let receiver = HttpReceiver::start()?;
        let router = std::fs::read(component("router").await?)?;
        let place = folder.path().join("router.wasm");
        std::fs::write(&place, &router)?;
        let to = Destinations { http: Some((&receiver.url(), "/orders")), ..Destinations::default() };
        let text = settings(&database.display().to_string(), &place, to, Window::Standard);
        // Built before the clock runs.
        relay_tests::program::program(Profile::Release).await?;
        let begun = Instant::now();
        let relay = Relay::start_built(&text, Profile::Release).await?;
        let mut stand = Self { relay, receiver, writer, place, router, _folder: folder };
        let took = stand.delivered(begun).await?;
        Ok((stand, took))
    }

    async fn start_again(&mut self) -> Outcome<Duration> {
        self.relay.stop(LIMIT).await?;
        self.write().await?;
        let begun = Instant::now();
        self.relay.restart()?;
        self.delivered(begun).await
    }

    async fn write(&mut self) -> Outcome<()> {
        let more = self.writer.committed() + 1;
        Ok(self.writer.write(more, KEYS).await?)
    }

    /// Waits until everything written was delivered; with how long after `begun` the last of it came.
    async fn delivered(&mut self, begun: Instant) -> Outcome<Duration> {
        let requests = self.receiver.wait_for(self.writer.committed(), LIMIT).await?;
        Ok(requests.last().map(|it| it.at).unwrap_or(begun).saturating_duration_since(begun))
    }

    /// Puts `build` in the place of the plugin as a careful writer does; with how long the relay was at it once the file
    /// was stable, and how long it took from the file's appearance to an event's delivery through the new build.
    async fn swap(&mut self, build: &[u8], swaps: usize) -> Outcome<(Option<Duration>, Duration)> {
        let begun = Instant::now();
        put(build, &self.place)?;
        self.relay.wait_for_log(SWAPPED, swaps, LIMIT).await?;
        self.relay.wait_for_log(TAKEN, swaps, LIMIT).await?;
        self.write().await?;
        let whole = self.delivered(begun).await?;
        let log = self.relay.log();
        let step = log.lines().rfind(|line| line.contains(SWAPPED)).and_then(took);
        Ok((step, whole))
    }
}

/// The time in a log line, as `"took":"12.3ms"`.
fn took(line: &str) -> Option<Duration> {
    let text = line.split_once("\"took\":\"")?.1.split('"').next()?;
    let (number, unit) = text.split_at(text.find(char::is_alphabetic)?);
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * scale))
}
