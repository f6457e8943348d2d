//! Many bad events at once: a storm stops the lane, a full side table does, and a parked key is kept whole.

use std::path::Path;
use std::time::{Duration, Instant};

use relay_tests::journal::{Journal, Observed, SqliteWriter, check};
use relay_tests::program::{Destinations, Relay, Window, component, settings};
use relay_tests::stack::{Answer, HttpReceiver};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const EVENTS: usize = 1_000;
const KEYS: u64 = 20;
const POISONED: &str = "order-3";
/// How often the side table is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// What it takes to tell a storm, with the standard settings.
const STORM: u64 = 100;
/// Requests of the HTTP sink under way at once, with the standard settings.
const IN_FLIGHT: u64 = 64;

/// An SQLite outbox, and settings that give each key a path of its own and each event so many attempts.
async fn shop(file: &Path, attempts: u32, receiver: &HttpReceiver, policy: &str) -> (Journal, String) {
    let mut writer = SqliteWriter::create(file).await.unwrap();
    writer.write(EVENTS, KEYS).await.unwrap();
    let journal = writer.finish().await.unwrap();
    let router = component("router").await.unwrap();
    let to = Destinations { http: Some((&receiver.url(), "/orders")), ..Destinations::default() };
    let retry = format!("retry = {{ first = \"10 ms\", max = \"20 ms\", attempts = {attempts} }}");
    let settings = settings(&file.display().to_string(), &router, to, Window::Standard)
        .replace("http = \"/orders\"", "http = \"/orders/{aggregateid}\"")
        .replace("sinks = [", &format!("{retry}\n{policy}\nsinks = ["));
    (journal, settings)
}

async fn dead(relay: &Relay) -> Vec<Value> {
    let listed = relay.ask(&["dead", "list", "--json"]).await.unwrap();
    serde_json::from_str(&listed).unwrap()
}

fn count(dead: &[Value]) -> u64 {
    dead.iter().map(|group| group["count"].as_u64().unwrap()).sum()
}

/// What the receiver accepted: all but the first `refused` requests, of `path` where one is given.
fn accepted(receiver: &HttpReceiver, refused: usize, path: Option<&str>) -> Vec<Observed> {
    let mut to_refuse = refused;
    let requests = receiver.received();
    let accepted = requests.iter().filter(|request| {
        let counts = to_refuse > 0 && path.is_none_or(|path| request.path == path);
        to_refuse -= usize::from(counts);
        !counts
    });
    accepted.map(Into::into).collect()
}

/// Sends dead letters again until there is none and everything that was committed has been accepted.
async fn mend(relay: &Relay, limit: u64, lost: impl Fn() -> Vec<String>) {
    let deadline = Instant::now() + LIMIT;
    loop {
        relay.ask(&["dead", "retry", "--all"]).await.unwrap();
        tokio::time::sleep(LOOK).await;
        let listed = count(&dead(relay).await);
        assert!(listed <= limit, "{listed} are dead");
        let lost = lost();
        if lost.is_empty() && listed == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "lost {lost:?}; the relay's log:\n{}", relay.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_everything_stops_the_lane_before_the_outbox_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = HttpReceiver::start().unwrap();
    receiver.answer(Answer::status(422));
    let keys_of_their_own = "on_dead = \"skip_after_dead_letter\"";
    let file = folder.path().join("shop.db");
    let (journal, settings) = shop(&file, 1, &receiver, keys_of_their_own).await;
    let mut relay = Relay::start(&settings).await.unwrap();
    relay.wait_for_log("E602", 1, LIMIT).await.unwrap();
    // Some probes later still no event more is given up.
    receiver.wait_for(receiver.count() + 3, LIMIT).await.unwrap();
    let given_up = count(&dead(&relay).await);
    assert!((1..=STORM + IN_FLIGHT).contains(&given_up), "{given_up} of {EVENTS} are dead");

    let refused = receiver.count();
    receiver.answer(Answer::status(204));
    receiver.wait_for(refused + EVENTS / 2, LIMIT).await.unwrap();
    mend(&relay, STORM + IN_FLIGHT, || check(&journal, &accepted(&receiver, refused, None)).lost).await;
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_key_is_dead_as_a_whole_and_a_retry_sends_all_of_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let poisoned = format!("/orders/{POISONED}");
    receiver.answer_path(&poisoned, Answer::status(422));
    let file = folder.path().join("shop.db");
    let (journal, settings) = shop(&file, 2, &receiver, "on_dead = \"park_key\"").await;
    let mut relay = Relay::start(&settings).await.unwrap();
    let of_others = journal.committed_of(|event| event.key != POISONED);
    let of_key = (journal.committed() - of_others) as u64;
    receiver.wait_for(of_others + 2, LIMIT).await.unwrap();
    let deadline = Instant::now() + LIMIT;
    while count(&dead(&relay).await) < of_key {
        assert!(Instant::now() < deadline, "{:?} of {of_key}", dead(&relay).await);
        tokio::time::sleep(LOOK).await;
    }
    let listed = dead(&relay).await;
    let codes: Vec<_> = listed.iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect();
    assert!(codes.contains(&"E601".to_owned()) && codes.len() == 2, "{listed:?}");
    let refused = receiver.received().iter().filter(|request| request.path == poisoned).count();
    assert_eq!(refused, 2, "the others of the key were not sent");

    receiver.answer_path(&poisoned, Answer::status(204));
    relay.ask(&["dead", "retry", "--all"]).await.unwrap();
    receiver.wait_for(refused + journal.committed(), LIMIT).await.unwrap();
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    assert!(dead(&relay).await.is_empty());
    let report = check(&journal, &accepted(&receiver, refused, Some(&poisoned)));
    assert!(report.violations().is_empty(), "{report}");
    assert_eq!((report.arrived, report.duplicates), (journal.committed(), 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_side_table_stops_the_lane_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let poisoned = format!("/orders/{POISONED}");
    receiver.answer_path(&poisoned, Answer::status(422));
    let file = folder.path().join("shop.db");
    let policy = "on_dead = \"skip_after_dead_letter\"\nheld = { dead = 5 }";
    let (journal, settings) = shop(&file, 1, &receiver, policy).await;
    let relay = Relay::start(&settings).await.unwrap();
    relay.wait_for_log("E604", 1, LIMIT).await.unwrap();
    assert_eq!(count(&dead(&relay).await), 5);

    // What the window holds beyond the limit becomes dead as soon as there is room.
    let refused = receiver.received().iter().filter(|request| request.path == poisoned).count();
    receiver.answer_path(&poisoned, Answer::status(204));
    mend(&relay, 5, || check(&journal, &accepted(&receiver, refused, Some(&poisoned))).lost).await;
}
