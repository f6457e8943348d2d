//! Real components in the real host: plugins of this repository, built from source.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use relay::plugin::host::{HostConfig, PluginConfig, PluginHost};
use relay::plugin::{Answer, LiveGeneration, build, reload};
use relay_engine::event::{EventBatch, EventFields};
use relay_engine::message::Content;
use relay_engine::verdict::{Target, Verdict};
use relay_tests::program::{Profile, another_build, program};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Far above what any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The router's component, built once for all tests of this file.
static ROUTER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("router.wasm");
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("plugins/router");
    build::build(&plugin, Some(&out)).unwrap();
    fs::read(out).unwrap()
});

fn router_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("router.wasm");
    fs::write(&file, &*ROUTER).unwrap();
    (folder, file)
}

fn configured(component: &Path, config: Value) -> PluginConfig {
    PluginConfig::new("router", component, config)
}

fn orders_to(topic: &str) -> Value {
    json!({ "rules": [{ "when": { "aggregate_type": "order" }, "then": { "send": [{ "kafka": topic }] } }] })
}

fn orders(count: usize) -> Arc<EventBatch> {
    let mut batch = EventBatch::default();
    for index in 0..count {
        let fields = EventFields {
            id: &format!("event-{index}"),
            sequence: index as u64,
            aggregate_type: "order",
            aggregate_id: "order-1",
            event_type: "OrderPlaced",
            payload: Some(b"{\"total\": 12}"),
            headers: &[("traceparent", b"00-01")],
            attempt: 1,
            ..EventFields::default()
        };
        batch.push(&fields).unwrap();
    }
    Arc::new(batch)
}

fn goes_to(answer: &Answer, expected: &str) -> bool {
    let Answer::Verdict(Verdict::Publish(messages)) = answer else { return false };
    let [message] = &messages[..] else { return false };
    let to_topic = matches!(&message.to, Some(Target::Kafka { topic, .. }) if topic == expected);
    to_topic && message.body == Content::Unchanged && message.inherit_headers
}

#[test]
fn the_router_routes_and_leaves_bodies_where_they_are() {
    let (_folder, file) = router_file();
    let generation = PluginHost::new().unwrap().load(&configured(&file, orders_to("orders"))).unwrap();
    assert_eq!(generation.identity().version, "0.1.0");
    let mut plugin = generation.instantiate().unwrap();
    let mut answers = Vec::new();
    plugin.run("shop", &orders(500), &mut answers);
    assert_eq!(answers.len(), 500);
    assert!(answers.iter().all(|answer| goes_to(answer, "orders")), "{:?}", answers[0]);
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    let (_folder, file) = router_file();
    let config = configured(&file, json!({ "rules": [{ "then": { "send": [{ "kafka": 5 }] } }] }));
    let Err(error) = PluginHost::new().unwrap().load(&config) else { panic!("it was taken") };
    assert_eq!(error.code, "P107");
    assert!(error.what.contains("/rules/0/then"), "{error}");
}

/// What a lane does: takes the newest generation between batches. Returns how many it ran.
fn run_lane(mut live: LiveGeneration, stop: &AtomicBool) -> usize {
    let batch = orders(100);
    let mut plugin = live.borrow_and_update().instantiate().unwrap();
    let mut generations = 1;
    while !stop.load(Ordering::SeqCst) {
        if live.has_changed().unwrap_or(false) {
            plugin = live.borrow_and_update().instantiate().unwrap();
            generations += 1;
        }
        let mut answers = Vec::new();
        plugin.run("shop", &batch, &mut answers);
        assert_eq!(answers.len(), batch.len());
        assert!(answers.iter().all(|answer| goes_to(answer, "orders")), "{:?}", answers[0]);
    }
    generations
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_are_swapped_under_a_running_lane_and_a_broken_one_never_reaches_it() {
    let (folder, file) = router_file();
    let cancel = CancellationToken::new();
    let host = Arc::new(PluginHost::new().unwrap());
    let configs = vec![configured(&file, orders_to("orders"))];
    let (live, task) = reload::watch(host, configs, None, cancel.clone()).await.unwrap();
    let mut status = task.status();
    let mut tasks = JoinSet::new();
    tasks.spawn(task.run());
    let stop = Arc::new(AtomicBool::new(false));
    let lane = std::thread::spawn({
        let (live, stop) = (live["router"].clone(), Arc::clone(&stop));
        move || run_lane(live, &stop)
    });
    for swap in 1..=3_u8 {
        // Half a build first, as a slow copy leaves it.
        fs::write(&file, &ROUTER[..ROUTER.len() / 2]).unwrap();
        let refused = status.wait_for(|it| it.plugins["router"].refused.is_some());
        timeout(PATIENCE, refused).await.expect("the half is refused").unwrap();
        let next = folder.path().join("next.wasm");
        fs::write(&next, another_build(&ROUTER, u16::from(swap))).unwrap();
        fs::rename(&next, &file).unwrap();
        let swapped = status.wait_for(|it| it.plugins["router"].swaps == u64::from(swap));
        timeout(PATIENCE, swapped).await.expect("the whole is swapped in").unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let generations = tokio::task::spawn_blocking(move || lane.join().unwrap()).await.unwrap();
    assert!((2..=4).contains(&generations), "the lane ran {generations} generations");
    cancel.cancel();
    timeout(PATIENCE, tasks.join_next()).await.expect("the task ends").unwrap().unwrap();
}

/// A host that compiles in processes of `program`, and keeps what they make in `cache`.
fn compiling_in(program: &Path, cache: &Path) -> PluginHost {
    let (cache, compiler) = (Some(cache.to_owned()), Some(program.to_owned()));
    let config = HostConfig { cache, compiler, ..HostConfig::default() };
    PluginHost::with(&config).unwrap()
}

#[tokio::test]
async fn a_plugin_is_compiled_in_a_process_of_its_own_and_found_compiled_by_the_next_start() {
    let (folder, file) = router_file();
    let cache = folder.path().join("cache");
    let config = configured(&file, orders_to("orders"));
    let compiler = program(Profile::of_tests()).await.unwrap();
    compiling_in(&compiler, &cache).load(&config).unwrap();
    // Whoever would have to compile now could not.
    let generation = compiling_in(Path::new("/bin/false"), &cache).load(&config).unwrap();
    let mut answers = Vec::new();
    generation.instantiate().unwrap().run("shop", &orders(3), &mut answers);
    assert!(answers.iter().all(|answer| goes_to(answer, "orders")), "{answers:?}");
    fs::write(&file, another_build(&ROUTER, 1)).unwrap();
    compiling_in(Path::new("/bin/false"), &cache).load(&config).err().expect("it is not in the cache");
}

#[tokio::test]
async fn how_the_compiler_ends_tells_a_bad_component_from_a_compiler_that_was_killed() {
    let (folder, file) = router_file();
    let config = configured(&file, orders_to("orders"));
    let with = |program: &Path| {
        let answer = compiling_in(program, &folder.path().join("cache")).load(&config);
        answer.err().map(|error| (error.code, error.what))
    };
    let script = |words: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let script = folder.path().join("compiler");
        fs::write(&script, format!("#!/bin/sh\n{words}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        script
    };
    let killed = |built: &[u8]| {
        fs::write(&file, built).unwrap();
        with(&script("kill -9 $$")).unwrap()
    };
    fs::write(&file, &ROUTER[..ROUTER.len() - 1]).unwrap();
    let (code, what) = with(&program(Profile::of_tests()).await.unwrap()).unwrap();
    assert_eq!((code, what.contains("unexpected end")), ("P101", true), "{what}");

    let (code, what) = killed(&ROUTER);
    assert_eq!((code, what.contains("signal: 9")), ("P112", true), "{what}");
    // A compiler that answers nonsense is caught by wasmtime's own look at the code.
    assert_eq!(with(&script("cat >/dev/null; echo nonsense")).unwrap().0, "P114");
    assert_eq!(with(Path::new("/no/such/program")), None, "the host compiles by itself then");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_compiler_behind_the_lanes_has_a_lower_priority_and_each_has_limited_processor_time() {
    use std::process::{Command, Stdio};
    let compiler = program(Profile::of_tests()).await.unwrap();
    for (arguments, niceness) in [(&["--behind-lanes"][..], 10), (&[], 0)] {
        // It waits for its component meanwhile.
        let mut command = Command::new(&compiler);
        let mut running =
            command.args(["plugin", "compile"]).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let shown = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", running.id())).unwrap();
        let limited =
            |limits: &str| limits.lines().any(|it| it.starts_with("Max cpu time") && it.contains(" 300 "));
        let own: i32 =
            fs::read_to_string("/proc/self/stat").unwrap().split(' ').nth(18).unwrap().parse().unwrap();
        let lower = || shown("stat").split(' ').nth(18).unwrap().parse::<i32>().unwrap() - own;
        let since = std::time::Instant::now();
        while !(limited(&shown("limits")) && lower() == niceness.min(19 - own)) {
            assert!(since.elapsed() < PATIENCE, "{arguments:?}: nice {}, {}", lower(), shown("limits"));
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        running.kill().unwrap();
        running.wait().unwrap();
    }
}
