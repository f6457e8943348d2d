//! Plugins that mean harm: each costs its own events and a bounded time, and nobody else anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use relay_tests::hostile::{HOSTILITIES, Hostility, at_start, counting, harmless, in_configure, obliging};
use relay_tests::journal::SqliteWriter;
use relay_tests::program::{Relay, put};
use relay_tests::stack::{HttpReceiver, free_port};
use serde_json::Value;
use sqlx::{ConnectOptions as _, SqliteConnection};

use crate::metrics;

const LIMIT: Duration = Duration::from_secs(180);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
const EVENTS: usize = 300;
/// One of so many events is one that the plugins are hostile to.
const HOSTILE_EVERY: usize = 60;
/// Far above the 8 s that it takes on a machine with two cores.
const LONGEST: Duration = Duration::from_secs(90);
/// KiB that the relay may ever hold: a fifth of what its plugins would take together if nothing bound them.
const MOST_MEMORY: u64 = 256 << 10;
/// Bytes of the log: one plugin writes as fast as it can. Its batch and the events of it that are tried alone are some
/// sixteen calls, of at most 100 lines of 4 KiB. Unbound, one line alone would have 4 MiB.
const LARGEST_LOG: u64 = 8 << 20;

/// An outbox where some events are called `h…`.
async fn outbox(file: &Path) -> SqliteConnection {
    SqliteWriter::create(file).await.unwrap().finish().await.unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    insert(&mut connection, EVENTS).await;
    connection
}

/// Every one of these events is hostile.
async fn insert_hostile(connection: &mut SqliteConnection, events: usize) {
    insert_as(connection, events, |_| "h").await;
}

async fn insert(connection: &mut SqliteConnection, events: usize) {
    let is_hostile = |index| index % HOSTILE_EVERY == HOSTILE_EVERY / 2;
    insert_as(connection, events, |index| if is_hostile(index) { "h" } else { "good" }).await;
}

async fn insert_as(connection: &mut SqliteConnection, events: usize, kind: impl Fn(usize) -> &'static str) {
    sqlx::query("BEGIN").execute(&mut *connection).await.unwrap();
    for index in 0..events {
        let insert = "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) \
                      SELECT 'id-' || n, 'order', 'key-' || n, ?, '{}' FROM \
                      (SELECT coalesce(max(seq), 0) + 1 AS n FROM outbox)";
        sqlx::query(insert).bind(kind(index)).execute(&mut *connection).await.unwrap();
    }
    sqlx::query("COMMIT").execute(&mut *connection).await.unwrap();
}

fn pipeline(text: &mut String, name: &str, component: &Path, receiver: &HttpReceiver) {
    let (component, url) = (component.display(), receiver.url());
    write!(
        text,
        "[sink.{name}]\ntype = \"http\"\nurl = \"{url}/{name}\"\n\
         [plugin.{name}]\ncomponent = \"{component}\"\ngrant = {{ {name} = [\"/orders\"] }}\n\
         [pipeline.{name}]\nsource = \"shop\"\nplugins = [\"{name}\"]\nsinks = [\"{name}\"]\n\
         retry = {{ first = \"10 ms\", max = \"20 ms\", attempts = 2 }}\n"
    )
    .unwrap();
}

/// Lets these plugins read a table whose row `test` is half of what one event may have.
fn grant_table(text: &mut String, plugins: &[&str], folder: &Path) {
    let file = folder.join("table.json");
    fs::write(&file, format!("{{\"test\":\"{}\"}}", "x".repeat(512 << 10))).unwrap();
    for plugin in plugins {
        let table = format!("[plugin.{plugin}]\n");
        *text = text.replace(&table, &format!("{table}lookups = [\"test\"]\n"));
    }
    write!(text, "[lookup.test]\nfile = \"{}\"\n", file.display()).unwrap();
}

fn settings(database: &Path) -> String {
    let path = database.display();
    format!(
        "[source.shop]\ntype = \"sqlite\"\npath = \"{path}\"\nstart = \"beginning\"\n[admin]\nlisten = \"off\"\n"
    )
}

/// Waits for so many requests, and fails at once when the relay ends meanwhile.
async fn wait_for(receiver: &HttpReceiver, count: usize, relay: &mut Relay) {
    tokio::select! {
        arrived = receiver.wait_for(count, LIMIT) => {
            assert!(arrived.is_ok(), "{}; the relay's log:\n{}", arrived.unwrap_err(), relay.log());
        }
        ended = relay.wait_for_end(LIMIT) => panic!("the relay ended: {ended:?}:\n{}", relay.log()),
    }
}

/// Waits until there are so many dead letters in all.
async fn wait_for_dead(relay: &Relay, count: usize) -> BTreeMap<String, (u64, Vec<String>)> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let dead = dead(relay).await;
        if dead.values().map(|(count, _)| *count).sum::<u64>() >= count as u64 {
            return dead;
        }
        assert!(Instant::now() < deadline, "{dead:?}; the relay's log:\n{}", relay.log());
    }
}

/// How many dead letters each pipeline has, and under which codes.
async fn dead(relay: &Relay) -> BTreeMap<String, (u64, Vec<String>)> {
    let listed = relay.ask(&["dead", "list", "--json"]).await.unwrap();
    let groups: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let mut dead: BTreeMap<String, (u64, Vec<String>)> = BTreeMap::new();
    for group in groups {
        let (count, codes) = dead.entry(group["pipeline"].as_str().unwrap().to_owned()).or_default();
        *count += group["count"].as_u64().unwrap();
        codes.push(group["code"].as_str().unwrap().to_owned());
    }
    dead
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_plugin_costs_its_own_events_alone_and_a_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop.db");
    outbox(&database).await;
    let receiver = HttpReceiver::start().unwrap();
    let mut text = settings(&database);
    for hostility in HOSTILITIES {
        let file = folder.path().join(hostility.name).with_extension("wasm");
        fs::write(&file, hostility.component().unwrap()).unwrap();
        pipeline(&mut text, hostility.name, &file, &receiver);
    }
    grant_table(&mut text, &["rows", "keys"], folder.path());
    let start = Instant::now();
    let mut relay = Relay::start(&text).await.unwrap();
    let hostile = EVENTS / HOSTILE_EVERY;
    let harmless = (EVENTS - hostile) * HOSTILITIES.len();
    wait_for(&receiver, harmless, &mut relay).await;
    let dead = wait_for_dead(&relay, hostile * HOSTILITIES.len()).await;
    println!("{} hostile plugins in {:?}, {:?}", HOSTILITIES.len(), start.elapsed(), relay.usage());
    assert!(start.elapsed() < LONGEST, "it took {:?}", start.elapsed());

    for Hostility { name, code, .. } in HOSTILITIES {
        let (count, codes) = &dead[*name];
        assert_eq!(*count, hostile as u64, "{name}: {codes:?}");
        assert!(codes.iter().all(|it| it == code), "{name}: {codes:?}");
    }
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for request in receiver.received() {
        *arrived.entry(request.path).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> =
        HOSTILITIES.iter().map(|it| (format!("/{}", it.name), EVENTS - hostile)).collect();
    assert_eq!(arrived, expected, "every other event arrived once, and nothing elsewhere");
    assert!(relay.usage().peak_memory < MOST_MEMORY, "{:?}", relay.usage());
    let log = fs::metadata(relay.folder().join("relay.log")).unwrap().len();
    assert!(log < LARGEST_LOG, "the log has {log} bytes");
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_series_are_left_out_and_cost_no_event() {
    const NAMES: u32 = 100_000;
    const SERIES: u32 = 100;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop.db");
    outbox(&database).await;
    let place = folder.path().join("plugin.wasm");
    fs::write(&place, counting(NAMES).unwrap()).unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let admin = format!("127.0.0.1:{}", free_port().unwrap());
    let mut text = settings(&database).replace("listen = \"off\"", &format!("listen = \"{admin}\""));
    pipeline(&mut text, "orders", &place, &receiver);
    // What counts so much takes longer than an event may by default, and is left out all the same.
    let limits = "[plugin.orders]\nlimits = { time = \"60 s\", batch_time = \"600 s\" }\n";
    let mut relay = Relay::start(&text.replace("[plugin.orders]\n", limits)).await.unwrap();
    wait_for(&receiver, EVENTS, &mut relay).await;
    let all = metrics::all(&admin).await;
    let series = all.lines().filter(|line| line.starts_with("plugin_")).count();
    assert_eq!(series, SERIES as usize, "{all}");
    let hostile = u32::try_from(EVENTS / HOSTILE_EVERY).unwrap();
    // Those that are too many, and the one that is no name.
    let refused = f64::from(hostile * (NAMES - SERIES + 1));
    assert_eq!(metrics::values(&admin, "relay_plugin_metrics_refused_total").await, [refused]);
    assert!(dead(&relay).await.is_empty());
    assert_eq!(relay.log().lines().filter(|line| line.contains("P142")).count(), 1, "told once");
    assert!(relay.usage().peak_memory < MOST_MEMORY, "{:?}", relay.usage());
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_build_is_refused_in_a_bounded_time_while_the_old_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop.db");
    let mut connection = outbox(&database).await;
    let place = folder.path().join("plugin.wasm");
    let good = harmless().unwrap();
    fs::write(&place, &good).unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let mut text = settings(&database);
    pipeline(&mut text, "orders", &place, &receiver);
    let mut relay = Relay::start(&text).await.unwrap();
    let all = EVENTS - EVENTS / HOSTILE_EVERY;
    // It leaves the verdicts of `h…` at zero, an empty list of messages, which is refused.
    wait_for(&receiver, all, &mut relay).await;

    let bad: [(&str, &str, Vec<u8>); 6] = [
        ("P108", "trap in configure", in_configure("unreachable").unwrap()),
        ("P108", "loop in configure", in_configure("(loop $ever (br $ever))").unwrap()),
        ("P108", "loop at the start", at_start("(loop $ever (br $ever))").unwrap()),
        ("P108", "memory at the start", {
            at_start("(loop $m (br_if $m (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable")
                .unwrap()
        }),
        ("P101", "truncated", good[..good.len() - 1].to_vec()),
        ("P102", "no component", b"\0asm\x01\0\0\0".to_vec()),
    ];
    for (index, (code, what, bytes)) in bad.iter().enumerate() {
        put(bytes, &place).unwrap();
        relay.wait_for_log("is refused", index + 1, LIMIT).await.unwrap();
        let log = relay.log();
        let told = log.lines().rfind(|line| line.contains("is refused")).unwrap().to_owned();
        assert!(told.contains(code), "{what}: {told}");
    }
    fs::File::create(place.with_extension("new")).unwrap().set_len(1 << 30).unwrap();
    fs::rename(place.with_extension("new"), &place).unwrap();
    relay.wait_for_log("larger than 128 MiB", 1, LIMIT).await.unwrap();

    insert(&mut connection, EVENTS).await;
    wait_for(&receiver, 2 * all, &mut relay).await;
    assert!(relay.usage().peak_memory < MOST_MEMORY, "{:?}", relay.usage());
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_on_everything_makes_no_storm_of_dead_letters_and_a_good_one_sends_all() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop.db");
    let mut connection = outbox(&database).await;
    sqlx::query("UPDATE outbox SET type = 'h'").execute(&mut connection).await.unwrap();
    let place = folder.path().join("plugin.wasm");
    let trap = HOSTILITIES.iter().find(|it| it.name == "trap").unwrap();
    fs::write(&place, trap.component().unwrap()).unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let mut text = settings(&database);
    pipeline(&mut text, "orders", &place, &receiver);
    let text = text.replace("max = \"20 ms\", attempts = 2", "max = \"1 s\", attempts = 12");
    let mut relay = Relay::start(&text).await.unwrap();
    relay.wait_for_log("P127", 1, LIMIT).await.unwrap();
    relay.wait_for_log("asking a plugin again", 2, LIMIT).await.unwrap();
    assert_eq!((receiver.count(), dead(&relay).await.len()), (0, 0));

    put(&obliging().unwrap(), &place).unwrap();
    wait_for(&receiver, EVENTS, &mut relay).await;
    assert!(dead(&relay).await.is_empty());
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    assert_eq!(receiver.count(), EVENTS, "none twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_build_is_rolled_back_by_itself_and_what_it_failed_on_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop.db");
    let mut connection = outbox(&database).await;
    sqlx::query("UPDATE outbox SET type = 'h'").execute(&mut connection).await.unwrap();
    let place = folder.path().join("plugin.wasm");
    fs::write(&place, obliging().unwrap()).unwrap();
    let receiver = HttpReceiver::start().unwrap();
    let mut text = settings(&database);
    pipeline(&mut text, "orders", &place, &receiver);
    let text = text.replace("max = \"20 ms\", attempts = 2", "max = \"1 s\", attempts = 12");
    let mut relay = Relay::start(&text).await.unwrap();
    wait_for(&receiver, EVENTS, &mut relay).await;

    // One build that traps, and one that refuses: what either did is undone.
    for (times, bad) in ["trap", "reject"].into_iter().enumerate() {
        let bad = HOSTILITIES.iter().find(|it| it.name == bad).unwrap();
        put(&bad.component().unwrap(), &place).unwrap();
        relay.wait_for_log("plugin swapped: orders", 2 * times + 1, LIMIT).await.unwrap();
        insert_hostile(&mut connection, EVENTS).await;
        relay.wait_for_log("P115", times + 1, LIMIT).await.unwrap();
        wait_for(&receiver, (times + 2) * EVENTS, &mut relay).await;
    }
    assert!(dead(&relay).await.is_empty());
    assert_eq!(relay.stop(DRAIN_LIMIT).await.unwrap().code(), Some(0), "{}", relay.log());
    assert_eq!(receiver.count(), 3 * EVENTS, "none twice");
}
