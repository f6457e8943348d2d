//! Measures what a plugin costs per event: `cargo run --release --example boundary`.
//!
//! Builds plugins from source and runs them as a lane does, on events with 300 bytes of payload and three headers: one
//! routes and leaves the body unchanged, one answers with the smallest verdict there is, one rewrites the body, and one
//! asks for headers and makes more. What routing costs more than discarding is all that another way for verdicts to come
//! back could save. Every figure is the median of several rounds, in CPU time of the thread, so that a busy machine
//! disturbs it less.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use relay::plugin::host::{Build, PluginConfig, PluginHost};
use relay::plugin::{Answer, Generation, Plugin};
use relay_engine::event::{EventBatch, EventFields};
use serde_json::{Value, json};

const BATCH: usize = 500;
const ROUNDS: usize = 9;
const BATCHES_PER_ROUND: usize = 100;

/// What is measured: a plugin of this repository, and its configuration.
struct Subject {
    what: &'static str,
    plugin: &'static str,
    config: Value,
}

fn main() -> Result<(), Box<dyn Error>> {
    let rule = |action: Value| {
        json!({ "rules": [
            { "when": { "aggregate_type": "invoice" }, "then": { "send": [{ "kafka": "invoices" }] } },
            { "when": { "aggregate_type": "order" }, "then": action },
        ] })
    };
    let subjects = [
        Subject {
            what: "routed, body unchanged",
            plugin: "router",
            config: rule(json!({ "send": [{ "kafka": "orders" }] })),
        },
        Subject { what: "discarded", plugin: "router", config: rule(json!({ "discard": "measured" })) },
        Subject {
            what: "body of 300 bytes rewritten",
            plugin: "redact",
            config: json!({ "remove": ["/order"] }),
        },
        Subject {
            what: "headers and source read, ten headers added",
            plugin: "cloudevents",
            config: json!({ "mode": "binary", "headers": "kafka" }),
        },
    ];
    let folder = tempfile::tempdir()?;
    for Subject { what, plugin, config } in subjects {
        let component = folder.path().join(plugin).with_extension("wasm");
        if !component.exists() {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(plugin);
            relay::plugin::build::build(&source, Some(&component))?;
        }
        measure(what, plugin, component, config)?;
    }
    Ok(())
}

fn measure(what: &str, name: &str, component: PathBuf, config: Value) -> Result<(), Box<dyn Error>> {
    let config = PluginConfig::new(name, component, config);
    let build = Build::read(&config.component, &config.config)?;
    println!("{what}: {}, {} KiB", config.name, build.bytes().len() >> 10);
    let before = resident();
    let host = PluginHost::new()?;
    let engine = resident().saturating_sub(before);
    let start = Instant::now();
    let generation = host.load_build(&config, &build)?;
    let loaded = resident().saturating_sub(before);
    println!("  load          {:?}; {engine} KiB resident for the engine, {loaded} in all", start.elapsed());
    println!("  fresh lane    {:?}", median(|| instances(&generation))?);
    let mut plugin = generation.instantiate()?;
    for size in [1, 10, 100, BATCH, 2_000] {
        let events = batch(size)?;
        let each = median(|| per_event(&mut *plugin, &events))?;
        println!("  batch of {size:<5}{:.2} µs an event", each.as_secs_f64() * 1e6);
    }
    Ok(())
}

/// Resident memory of this process in KiB; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

fn batch(events: usize) -> Result<Arc<EventBatch>, Box<dyn Error>> {
    let payload = format!("{{\"order\":1,\"note\":\"{}\"}}", "x".repeat(278));
    let mut batch = EventBatch::with_capacity(events, payload.len());
    for index in 0..events {
        let key = format!("order-{}", index % 10_000);
        batch.push(&EventFields {
            id: &format!("01JD{index:022}"),
            sequence: index as u64,
            aggregate_type: "order",
            aggregate_id: &key,
            event_type: "OrderPlaced",
            content_type: Some("application/json"),
            payload: Some(payload.as_bytes()),
            headers: &[
                ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                ("tenant", b"blue"),
                ("schema", b"order-3"),
            ],
            attributes: &[],
            occurred_at: 1_700_000_000_000_000,
            attempt: 1,
        })?;
    }
    Ok(Arc::new(batch))
}

/// CPU time of one event.
fn per_event(plugin: &mut dyn Plugin, events: &Arc<EventBatch>) -> Result<Duration, Box<dyn Error>> {
    let batches = (BATCHES_PER_ROUND * BATCH / events.len()).min(10_000);
    let mut answers = Vec::with_capacity(events.len());
    let start = ThreadTime::now();
    for _ in 0..batches {
        answers.clear();
        plugin.run("shop", events, &mut answers);
    }
    let took = start.elapsed();
    match answers.iter().find(|answer| !matches!(answer, Answer::Verdict(_))) {
        Some(fault) => Err(format!("the plugin failed: {fault:?}").into()),
        None => Ok(took / u32::try_from(batches * events.len())?),
    }
}

/// CPU time of a new instance with its configuration.
fn instances(generation: &Arc<dyn Generation>) -> Result<Duration, Box<dyn Error>> {
    const INSTANCES: u32 = 200;
    let start = ThreadTime::now();
    for _ in 0..INSTANCES {
        drop(generation.instantiate()?);
    }
    Ok(start.elapsed() / INSTANCES)
}

fn median(mut round: impl FnMut() -> Result<Duration, Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut rounds = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<_>, _>>()?;
    rounds.sort_unstable();
    Ok(rounds[ROUNDS / 2])
}
