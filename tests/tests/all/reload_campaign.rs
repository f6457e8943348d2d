//! Builds of every kind in turn, while events flow: good, older, broken, wider, bad, and asking for more than there is.

use std::path::Path;
use std::time::{Duration, Instant};

use relay_tests::hostile;
use relay_tests::journal::{Delays, Journal, WriterPlan, Writers};
use relay_tests::program::{Relay, Window, another_build, component, put};

use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// Kafka, NATS, HTTP.
const LANES: usize = 3;
/// KiB that the peak may grow by from the first fifth of the builds to the last.
const MOST_GROWN: u64 = 64 << 10;
/// How long events flow before the first build, to have something to compare with.
const QUIET_EVENTS: u64 = 600;

/// What is put in the place of the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It works.
    Good,
    /// It ran before another one took its place.
    Older,
    /// A copy that was interrupted.
    Broken,
    /// It may use more than the running one.
    Wider,
    /// It fails on every event.
    Bad,
    /// It asks for an interface that nobody serves.
    Unserved,
}

/// In the order of their turns: an older one follows two good ones.
const TURNS: [Kind; 7] =
    [Kind::Good, Kind::Broken, Kind::Good, Kind::Older, Kind::Wider, Kind::Bad, Kind::Unserved];

struct Builds {
    good: Vec<u8>,
    trapping: Vec<u8>,
    wider: Vec<u8>,
    /// Builds that ran, the newest last.
    ran: Vec<Vec<u8>>,
    swaps: usize,
    refusals: usize,
    rollbacks: usize,
}

impl Builds {
    /// Puts the build of this turn in place, and waits for what has to become of it.
    async fn turn(&mut self, turn: usize, place: &Path, relay: &Relay) {
        let number = u16::try_from(turn).unwrap();
        let kind = TURNS[turn % TURNS.len()];
        let build = match kind {
            Kind::Good => another_build(&self.good, number),
            // The one before the one that runs.
            Kind::Older => self.ran[self.ran.len() - 2].clone(),
            Kind::Broken => self.good[..self.good.len() / 2 + turn].to_vec(),
            Kind::Wider => another_build(&self.wider, number),
            Kind::Bad => another_build(&self.trapping, number),
            Kind::Unserved => {
                let asking = replaced(&self.good, b"relay:plugin/log@", b"relay:plugin/lag@");
                another_build(&asking, number)
            }
        };
        put(&build, place).unwrap();
        match kind {
            Kind::Good | Kind::Older => {
                self.swaps += 1;
                wait(relay, "plugin swapped: batches", self.swaps).await;
                self.ran.push(build);
            }
            Kind::Bad => {
                self.swaps += 1;
                self.rollbacks += 1;
                wait(relay, "plugin swapped: batches", self.swaps).await;
                wait(relay, "plugin rolled back: P115", self.rollbacks).await;
            }
            Kind::Broken | Kind::Wider | Kind::Unserved => {
                self.refusals += 1;
                wait(relay, "is refused", self.refusals).await;
            }
        }
    }
}

async fn wait(relay: &Relay, words: &str, times: usize) {
    relay.wait_for_log(words, times, LIMIT).await.unwrap();
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|it| it == from) {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    assert!(at > 0, "nothing was replaced");
    bytes
}

/// When which turn was made.
struct Turns {
    quiet_since: Instant,
    /// The beginning of each turn, and the end of the last.
    at: Vec<Instant>,
}

impl Turns {
    /// How long events took to arrive at the HTTP receiver, before the first build and during each kind of turn.
    fn print(&self, shop: &Shop, journal: &Journal) {
        let requests = shop.receiver.received();
        let of = |chosen: &dyn Fn(Instant) -> bool| Delays::of(journal, &requests, chosen);
        let (first, last) = (self.at[0], self.at[self.at.len() - 1]);
        println!("quiet     {}", of(&|at| self.quiet_since <= at && at < first));
        println!("swapping  {}", of(&|at| first <= at && at < last));
        for kind in [Kind::Good, Kind::Older, Kind::Broken, Kind::Wider, Kind::Bad, Kind::Unserved] {
            let during = |at: Instant| {
                let turn = self.at.partition_point(|begin| *begin <= at);
                turn > 0 && turn < self.at.len() && TURNS[(turn - 1) % TURNS.len()] == kind
            };
            println!("  {:<9}{}", format!("{kind:?}").to_lowercase(), of(&during));
        }
    }
}

/// Puts `turns` builds in place one after the other while writers are at work. Nothing is lost, repeated or out of
/// order, what is bad never stays, and memory does not grow.
async fn survives_builds(name: &'static str, turns: usize, pause: Duration) {
    let shop = Shop::open(name, Window::Standard).await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("router.wasm");
    let original = component("router").await.unwrap();
    let good = std::fs::read(&original).unwrap();
    put(&good, &place).unwrap();
    let mut builds = Builds {
        trapping: hostile::trapping().unwrap(),
        wider: hostile::with_clock().unwrap(),
        ran: vec![good.clone()],
        good,
        swaps: 0,
        refusals: 0,
        rollbacks: 0,
    };
    let settings = shop.settings.replace(&original.display().to_string(), &place.display().to_string());
    let mut relay = Relay::start(&settings).await.unwrap();
    wait(&relay, "reading", LANES).await;
    // Writing has to last as long as the builds.
    let plan = WriterPlan { events: u64::MAX, pause, ..WriterPlan::default() };
    let writers = Writers::start(&shop.url, &plan);
    let quiet_since = Instant::now();
    shop.wait_for_requests(QUIET_EVENTS, &mut relay, LIMIT).await;

    let mut early = relay.usage();
    let mut at = Vec::new();
    for turn in 0..turns {
        at.push(Instant::now());
        builds.turn(turn, &place, &relay).await;
        if turn <= turns / 5 {
            early = relay.usage();
        }
    }
    at.push(Instant::now());
    let (took, late) = (at[turns] - at[0], relay.usage());
    let journal = writers.stop().await;
    shop.wait_for_all(&journal, &mut relay, LIMIT).await;
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    println!(
        "{turns} builds in {took:?}: {} swapped in, {} refused, {} rolled back; peak memory {} KiB early, {} KiB late",
        builds.swaps, builds.refusals, builds.rollbacks, early.peak_memory, late.peak_memory
    );
    Turns { quiet_since, at }.print(&shop, &journal);
    for (sink, report) in shop.reports(&journal).await {
        println!("{sink}: {report}");
        assert!(report.violations().is_empty(), "{sink}: {report}");
        assert_eq!((report.arrived, report.duplicates), (journal.committed(), 0), "{sink}: {report}");
    }
    let grown = late.peak_memory.saturating_sub(early.peak_memory);
    assert!(grown < MOST_GROWN, "memory grew by {grown} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_of_every_kind_in_turn_lose_repeat_and_reorder_nothing() {
    survives_builds("builds", 2 * TURNS.len(), Duration::from_millis(5)).await;
}

/// The long campaign: `./tests/run --long`, or as many builds as `RELAY_TEST_SWAPS` says.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_builds_of_every_kind_lose_repeat_and_reorder_nothing() {
    let asked = std::env::var("RELAY_TEST_SWAPS").ok().map(|it| it.parse().unwrap());
    let long = std::env::var_os("RELAY_TEST_LONG").map(|_| 1_000);
    if let Some(builds) = asked.or(long) {
        survives_builds("builds-long", builds, Duration::from_millis(20)).await;
    }
}
