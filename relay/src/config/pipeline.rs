//! `[pipeline.NAME]`

use std::collections::BTreeMap;
use std::time::Duration;

use super::codes;
use super::document::{Spot, Text};
use super::model::{HeldConfig, OnDead, PipelineConfig, RetryConfig, SinkConfig, StormConfig, WindowLimit};
use super::section::Section;
use super::template;
use super::values::allowed_words;
use crate::source::BatchLimit;

/// One read: large enough that its round trip costs little per event, small enough to be read ahead.
const BATCH_EVENTS: usize = 2000;
/// A batch of large events closes here.
const BATCH_BYTES: usize = 8 << 20;
/// What one lane may have unsettled: at 120,000 events a second, a tenth of a second. A drain through Kafka stays below
/// 64 MiB with it (16,384: 67 MiB, no faster; 8,192: 54 MiB, a tenth slower).
const WINDOW_EVENTS: usize = 12_288;
/// A window of large events closes here.
const WINDOW_BYTES: usize = 32 << 20;
/// Each lane has a connection and a thread of its own, and each poll of each walks over what is new for all.
const MOST_SHARDS: usize = 64;
/// A short hiccup is over by then.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// An event that failed for an hour is tried twelve times more in the next.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// With the pauses above: about 17 minutes from first to last.
const RETRY_ATTEMPTS: usize = 12;
/// Bad events come in ones and twos; a producer's bug is seldom in every second event of all its kinds.
const STORM_PERCENT: usize = 50;
/// Few enough dead letters to read, enough that chance makes no storm.
const STORM_LAST: usize = 100;
/// The keys of as many are kept in memory: 50 MiB.
const HELD_PARKED: usize = 1_000_000;
/// More than anybody looks through one by one.
const HELD_DEAD: usize = 100_000;
/// The tables live in the application's own database.
const HELD_BYTES: usize = 1 << 30;
/// Ten writes of the cursor a second and lane: its row stays cheap even while a snapshot is held elsewhere.
const SETTLE_INTERVAL: Duration = Duration::from_millis(100);
/// Below the 30 s after which orchestrators kill.
const GRACE: Duration = Duration::from_secs(20);

/// A pipeline, and where the names it uses stand in the file.
pub(super) struct ReadPipeline {
    pub(super) config: PipelineConfig,
    pub(super) source: Text,
    pub(super) plugins: Vec<Text>,
    pub(super) sinks: Vec<Text>,
    pub(super) routes: Vec<Text>,
    /// Where `shards` stands, if it does.
    pub(super) shards: Option<Spot>,
}

pub(super) fn read_all(
    root: &Section<'_>,
    sinks: &BTreeMap<String, SinkConfig>,
) -> BTreeMap<String, ReadPipeline> {
    let each = |(name, section): (Text, Section<'_>)| {
        let read = read(&name, &section, sinks);
        section.finish();
        (name.value, read)
    };
    root.named("pipeline").into_iter().map(each).collect()
}

fn read(name: &Text, section: &Section<'_>, known: &BTreeMap<String, SinkConfig>) -> ReadPipeline {
    let source = section.required_text("source", "the name of a source");
    let plugins = section.texts("plugins");
    let sinks = section.texts("sinks");
    if sinks.is_empty() {
        section.missing("sinks", "the names of one sink or more");
    }
    let given = read_routes(section);
    let route = |sink: &Text| {
        let written = given.iter().find(|(name, _)| name.value == sink.value);
        let route =
            written.map_or_else(|| default_route(known.get(&sink.value)), |(_, route)| route.value.clone());
        (sink.value.clone(), route)
    };
    let values = |texts: &[Text]| texts.iter().map(|it| it.value.clone()).collect();
    let config = PipelineConfig {
        name: name.value.clone(),
        source: source.value.clone(),
        plugins: values(&plugins),
        sinks: values(&sinks),
        routes: sinks.iter().map(route).collect(),
        shards: count(section.count("shards", 1, 1..=MOST_SHARDS)),
        retry: read_retry(section),
        on_dead: read_on_dead(section),
        storm: read_storm(section),
        held: read_held(section),
        batch: read_batch(section),
        window: read_window(section),
        settle_interval: section.duration("settle_interval", SETTLE_INTERVAL, MILLISECOND..=MINUTE),
        grace: section.duration("grace", GRACE, Duration::ZERO..=HOUR),
    };
    let shards = section.entry("shards").map(|it| it.spot);
    let routes = given.into_iter().map(|(name, _)| name).collect();
    ReadPipeline { config, source, plugins, sinks, routes, shards }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Debezium's own route where the sink has places, the sink itself where it is one.
fn default_route(sink: Option<&SinkConfig>) -> String {
    match sink.map(SinkConfig::kind) {
        Some("kafka" | "nats") => "outbox.event.{aggregatetype}".to_owned(),
        _ => String::new(),
    }
}

fn read_routes(section: &Section<'_>) -> Vec<(Text, Text)> {
    let Some(routes) = section.section("route") else { return Vec::new() };
    let mut all = Vec::new();
    for (sink, entry) in routes.entries() {
        let Some(route) = entry.text() else { continue };
        if let Err(mistake) = template::check(&route.value) {
            let message = format!("the route {:?} can't be used: {}", route.value, mistake.what);
            let word = mistake.placeholder.unwrap_or_default();
            let allowed = allowed_words(&word, template::PLACEHOLDERS);
            section.document.error(codes::ROUTE, &route.spot, message, allowed);
        }
        all.push((sink, route));
    }
    all
}

fn read_retry(section: &Section<'_>) -> RetryConfig {
    let standard = RetryConfig { first: RETRY_FIRST, max: RETRY_MAX, attempts: count(RETRY_ATTEMPTS) };
    let Some(retry) = section.section("retry") else { return standard };
    let read = RetryConfig {
        first: retry.duration("first", RETRY_FIRST, MILLISECOND..=HOUR),
        max: retry.duration("max", RETRY_MAX, MILLISECOND..=Duration::from_secs(7 * 86_400)),
        attempts: count(retry.count("attempts", RETRY_ATTEMPTS, 1..=1_000_000)),
    };
    if read.first > read.max {
        let message = format!("{:?} begins with a longer pause than its longest", retry.spot.path);
        section.document.error(codes::CONFLICT, &retry.spot, message, "first is at most max");
    }
    retry.finish();
    read
}

fn count(attempts: usize) -> u32 {
    u32::try_from(attempts).unwrap_or(u32::MAX)
}

fn read_on_dead(section: &Section<'_>) -> OnDead {
    match section.choice("on_dead", &["block", "park_key", "skip_after_dead_letter"], "block") {
        "park_key" => OnDead::ParkKey,
        "skip_after_dead_letter" => OnDead::SkipAfterDeadLetter,
        _ => OnDead::Block,
    }
}

/// `"off"`, or a table.
fn read_storm(section: &Section<'_>) -> Option<StormConfig> {
    let standard = StormConfig { percent: count(STORM_PERCENT), last: count(STORM_LAST) };
    let Some(entry) = section.entry("storm") else { return Some(standard) };
    if entry.value.as_str().is_some() {
        let text = entry.text()?;
        if text.value != "off" {
            let message = format!("{:?} is not a value of \"storm\"", text.value);
            let allowed = "allowed: \"off\", or a table with percent and last";
            section.document.error(codes::NOT_ALLOWED, &text.spot, message, allowed);
        }
        return None;
    }
    let Some(storm) = entry.section() else { return Some(standard) };
    let read = StormConfig {
        percent: count(storm.count("percent", STORM_PERCENT, 1..=100)),
        last: count(storm.count("last", STORM_LAST, 1..=128)),
    };
    storm.finish();
    Some(read)
}

fn read_held(section: &Section<'_>) -> HeldConfig {
    let standard =
        HeldConfig { parked: HELD_PARKED, parked_bytes: HELD_BYTES, dead: HELD_DEAD, dead_bytes: HELD_BYTES };
    let Some(held) = section.section("held") else { return standard };
    let read = HeldConfig {
        parked: held.count("parked", HELD_PARKED, 1..=100_000_000),
        parked_bytes: held.size("parked_bytes", HELD_BYTES, 1 << 20..=1 << 40),
        dead: held.count("dead", HELD_DEAD, 1..=100_000_000),
        dead_bytes: held.size("dead_bytes", HELD_BYTES, 1 << 20..=1 << 40),
    };
    held.finish();
    read
}

fn read_batch(section: &Section<'_>) -> BatchLimit {
    let Some(batch) = section.section("batch") else {
        return BatchLimit { events: BATCH_EVENTS, bytes: BATCH_BYTES };
    };
    let read = BatchLimit {
        events: batch.count("events", BATCH_EVENTS, 1..=100_000),
        bytes: batch.size("bytes", BATCH_BYTES, 1 << 10..=1 << 30),
    };
    batch.finish();
    read
}

fn read_window(section: &Section<'_>) -> WindowLimit {
    let Some(window) = section.section("window") else {
        return WindowLimit { events: WINDOW_EVENTS, bytes: WINDOW_BYTES };
    };
    let read = WindowLimit {
        events: window.count("events", WINDOW_EVENTS, 1..=10_000_000),
        bytes: window.size("bytes", WINDOW_BYTES, 1 << 10..=64 << 30),
    };
    window.finish();
    read
}
