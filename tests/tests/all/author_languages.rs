//! Plugins in JavaScript and Python: begun, tested and changed by their authors, and run by a relay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use relay::plugin::host::{HostConfig, PluginConfig, PluginHost, PluginLimits};
use relay::plugin::{Answer, Generation};
use relay_engine::event::{EventBatch, EventFields};
use relay_engine::message::Content;
use relay_engine::verdict::Verdict;
use relay_tests::journal::{Observed, SqliteWriter, check};
use relay_tests::program::Relay;
use relay_tests::stack::HttpReceiver;
use relay_tests::stack::tools::{self, target_folder};
use serde_json::{Value, json};

use crate::author::{assert_ends, author, relay, work_folder};

/// A runtime of some megabytes compiles for seconds, and on a busy machine for a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// Events that the relay delivers, of five keys.
const EVENTS: usize = 200;

/// A language, and what an author changes in the plugin that it begins with: orders go to a path as new JSON.
struct Language {
    name: &'static str,
    source: &'static str,
    edits: [(&'static str, &'static str); 3],
    /// A line that does not compile, and the place where the tool says so.
    broken: (&'static str, &'static str),
    /// A line that fails at work, and the reason of the dead letter.
    failing: (&'static str, &'static str),
    /// What only this language's runtime imports.
    stub: &'static str,
}

const JAVASCRIPT: Language = Language {
    name: "js",
    source: "plugin.js",
    edits: [
        ("import { discard, kafka, plugin }", "import { discard, http, plugin }"),
        ("if (!testers && order", "if (testers && order"),
        (
            "return kafka(topic);",
            "const seen = [event.source, event.header(\"origin\"), event.attribute(\"none\")].join();\n    \
             return http(`/${topic}`).json(order).header(\"key\", event.key).header(\"seen\", seen);",
        ),
    ],
    broken: ("return kafka(topic;", "plugin.js:36"),
    failing: ("return order.nothing.here;", "reject exception: \"TypeError at plugin.js:36\""),
    stub: "wasi:cli/stderr@0.2.12: lines for the relay's log",
};

const PYTHON: Language = Language {
    name: "python",
    source: "plugin.py",
    edits: [
        ("import Event, discard, kafka, plugin", "import Event, discard, http, plugin"),
        ("if not settings[\"testers\"] and", "if settings[\"testers\"] and"),
        (
            "return kafka(settings[\"topic\"])",
            "seen = [event.source, (event.header(\"origin\") or b\"\").decode(), event.attribute(\"none\") or \"\"]\n    \
             headers = {\"key\": event.key, \"seen\": \",\".join(seen)}\n    \
             return http(\"/\" + settings[\"topic\"], json=order, headers=headers)",
        ),
    ],
    broken: ("return kafka(settings[\"topic\"]", "line 30"),
    failing: ("return order[\"nothing\"]", "reject exception: \"KeyError at plugin.py:30\""),
    stub: "wasi:sockets/tcp@0.2.9: no network: a call is a fault",
};

/// An author who has fetched the tools before: no network is asked.
fn tooled(program: &Path, folder: &Path) -> Command {
    let (npm, python) = (tools::folder().join("npm"), tools::folder().join("python"));
    for installed in [&npm, &python] {
        let hint = "run ./tests/run --setup";
        assert!(installed.is_dir(), "{} is not there: {hint}", installed.display());
    }
    let mut command = author(program, folder);
    command.env("npm_config_cache", npm).env("npm_config_offline", "true");
    command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", python);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    tooled(&relay(), folder).args(arguments).output().unwrap()
}

/// Where components of this run are compiled to, by the commands and the relay alike.
fn cache() -> PathBuf {
    target_folder().join("test-authors/cache/relay")
}

impl Language {
    /// The plugin that a new author has.
    fn begin(&self) -> PathBuf {
        let folder = work_folder(&format!("language-{}", self.name));
        let (out, _) = assert_ends(&run(&folder, &["plugin", "new", "first", "--lang", self.name]), 0);
        assert!(out.contains(&format!("read    first/{}, first/cases/orders.toml", self.source)), "{out}");
        folder.join("first")
    }

    fn edit(&self, plugin: &Path, from: &str, to: &str) {
        let file = plugin.join(self.source);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{} has no {from:?}", file.display());
        fs::write(file, text.replace(from, to)).unwrap();
    }

    /// The line that sends.
    fn sends(&self) -> &'static str {
        self.edits[2].0
    }

    /// Golden cases pass untouched, and what the author breaks is told with its place.
    fn is_tested_and_broken(&self, plugin: &Path) {
        let (out, err) = assert_ends(&run(plugin, &["plugin", "test"]), 0);
        assert!(out.ends_with("3 cases, all passed\n"), "{out}");
        assert!(err.contains("install: fetching what "), "{err}");
        let (out, _) = assert_ends(&run(plugin, &["plugin", "inspect", "first.wasm"]), 0);
        for line in
            ["plugin      first 0.1.0", "relay:plugin/log@0.1.0 (write)", self.stub, "topic: text, required"]
        {
            assert!(out.contains(line), "no {line:?} in\n{out}");
        }
        let component = fs::read(plugin.join("first.wasm")).unwrap();
        let (line, place) = self.broken;
        self.edit(plugin, self.sends(), line);
        let (_, err) = assert_ends(&run(plugin, &["plugin", "build", "."]), 1);
        assert!(err.starts_with("error[P155]: ") && err.contains(place), "{err}");
        assert!(fs::read(plugin.join("first.wasm")).unwrap() == component, "the old build is gone");
        self.edit(plugin, line, self.sends());
    }

    /// An exception is a dead letter that names its place and shows no values.
    fn fails_by_event(&self, plugin: &Path) {
        let (line, reason) = self.failing;
        self.edit(plugin, self.sends(), line);
        let (out, _) = assert_ends(&run(plugin, &["plugin", "test"]), 1);
        assert!(out.contains(reason), "no {reason:?} in\n{out}");
        assert!(out.contains("2 passed, 1 failed"), "the other events go on:\n{out}");
        self.edit(plugin, line, self.sends());
    }

    /// The guide's plugin builds in place of the author's; its module runs once while it does.
    fn guide_builds(&self, plugin: &Path) {
        let guide = fs::read_to_string(tools::workspace().join("relay/docs/languages.md")).unwrap();
        let (_, block) = guide.split_once(&format!("```{}\n", self.name)).unwrap();
        fs::write(plugin.join(self.source), block.split_once("```").unwrap().0).unwrap();
        assert_ends(&run(plugin, &["plugin", "build", "."]), 0);
    }

    /// The component of the plugin that sends to HTTP.
    fn component(&self, plugin: &Path) -> PathBuf {
        for (from, to) in self.edits {
            self.edit(plugin, from, to);
        }
        assert_ends(&run(plugin, &["plugin", "build", "."]), 0);
        plugin.join("first.wasm")
    }
}

/// SQLite outbox, plugin, HTTP receiver: everything committed arrives once, in order per key, as the plugin made it.
async fn travels(component: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shop.db");
    let mut writer = SqliteWriter::create(&database).await.unwrap();
    let receiver = HttpReceiver::start().unwrap();
    writer.write(EVENTS, 5).await.unwrap();
    let committed = writer.committed();
    let settings = format!(
        "[source.shop]\ntype = \"sqlite\"\npath = \"{}\"\ntable = \"outbox\"\nstart = \"beginning\"\n\
         [sink.billing]\ntype = \"http\"\nurl = \"{}\"\n\
         [plugin.first]\ncomponent = \"{}\"\nconfig = {{ topic = \"orders\" }}\ngrant = {{ billing = [\"/orders\"] }}\n\
         [pipeline.orders]\nsource = \"shop\"\nplugins = [\"first\"]\nsinks = [\"billing\"]\n\
         [admin]\nlisten = \"off\"\n[relay]\ncache = \"{}\"\n",
        database.display(),
        receiver.url(),
        component.display(),
        cache().display(),
    );
    let mut relay = Relay::start(&settings).await.unwrap();
    let arrived = receiver.wait_for(committed, PATIENCE).await;
    assert!(arrived.is_ok(), "{}; the relay's log:\n{}", arrived.unwrap_err(), relay.log());
    assert_eq!(relay.stop(PATIENCE).await.unwrap().code(), Some(0), "{}", relay.log());
    let requests = receiver.received();
    assert!(requests.iter().all(|it| it.path == "/orders"));
    for request in &requests {
        let order: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(request.header("key"), order["key"].as_str());
        assert_eq!(request.header("seen"), Some("shop,writer,"), "its source, a header and no attribute");
    }
    let received: Vec<Observed> = requests.iter().map(Observed::from).collect();
    let report = check(&writer.finish().await.unwrap(), &received);
    assert!(report.violations().is_empty() && report.duplicates == 0, "{report}");
}

fn loaded(component: &Path, limits: PluginLimits) -> std::sync::Arc<dyn Generation> {
    let host = HostConfig { cache: Some(cache()), ..HostConfig::default() };
    let config = PluginConfig::new("first", component, json!({ "topic": "orders" }));
    let config = PluginConfig { limits, ..config };
    PluginHost::with(&host).unwrap().load(&config).unwrap()
}

/// Runs more events than the memory of one instance lasts for; says how much the instances grew by together.
fn runs_on(component: &Path, batches: usize, size: usize) -> usize {
    let limits = PluginLimits::default();
    let generation = loaded(component, limits.clone());
    let mut plugin = generation.instantiate().unwrap();
    let payload = json!({ "customer": { "email": "ann@example.org" }, "note": "x".repeat(size) }).to_string();
    let mut batch = EventBatch::default();
    for number in 0..100_u64 {
        let fields = EventFields {
            id: &number.to_string(),
            sequence: number,
            aggregate_type: "order",
            aggregate_id: "order-1",
            event_type: "OrderPlaced",
            payload: Some(payload.as_bytes()),
            attempt: 1,
            ..EventFields::default()
        };
        batch.push(&fields).unwrap();
    }
    let (mut before, mut grown) = (plugin.memory().unwrap_or_default(), 0);
    let batch = Arc::new(batch);
    for _ in 0..batches {
        let mut answers = Vec::new();
        plugin.run("shop", &batch, &mut answers);
        assert_eq!(answers.len(), 100);
        for answer in &answers {
            let Answer::Verdict(Verdict::Publish(messages)) = answer else { panic!("{answer:?}") };
            assert!(matches!(&messages[0].body, Content::Bytes(body) if body.len() > size));
        }
        // A worn instance is gone, and the next batch makes a fresh one.
        let memory = plugin.memory().unwrap_or_default();
        assert!(memory <= limits.memory, "{memory} bytes");
        grown += memory.saturating_sub(before);
        before = memory;
    }
    grown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_javascript_is_begun_tested_broken_and_run_by_a_relay() {
    let plugin = JAVASCRIPT.begin();
    JAVASCRIPT.is_tested_and_broken(&plugin);
    JAVASCRIPT.fails_by_event(&plugin);
    let component = JAVASCRIPT.component(&plugin);
    travels(&component).await;
    let grown = runs_on(&component, 20, 4096);
    assert!(grown < 8 << 20, "its garbage is collected, yet it grew by {grown} bytes");
    JAVASCRIPT.guide_builds(&plugin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_python_is_begun_tested_broken_and_run_by_a_relay_although_it_leaks() {
    let plugin = PYTHON.begin();
    PYTHON.is_tested_and_broken(&plugin);
    let component = PYTHON.component(&plugin);
    travels(&component).await;
    // About as much as each body has: without fresh instances, this would not fit into one.
    let grown = runs_on(&component, 100, 4096);
    let limit = PluginLimits::default().memory;
    assert!(grown > limit, "it leaks no more ({grown} bytes): say so in relay/docs/languages.md");
    // A batch that does not fit at all is no fault of its events: they run again, alone, on fresh instances.
    runs_on(&component, 1, 128 << 10);
    PYTHON.guide_builds(&plugin);
}

#[test]
fn what_a_language_needs_and_is_not_there_is_told_with_what_to_install() {
    let folder = work_folder("language-tools");
    for (language, program, install) in [
        ("js", "npm", "apt-get install nodejs npm"),
        ("python", "python3", "apt-get install python3 python3-venv"),
    ] {
        let plugin = format!("in-{language}");
        assert_ends(&run(&folder, &["plugin", "new", &plugin, "--lang", language]), 0);
        let nothing = folder.join("nothing");
        let output =
            author(&relay(), &folder).env("PATH", nothing).args(["plugin", "build", &plugin]).output();
        let (_, err) = assert_ends(&output.unwrap(), 1);
        assert!(err.contains(&format!("error[P159]: cannot run {program}; install ")), "{err}");
        assert!(err.contains(install), "{err}");
    }
    // Nothing was ever fetched, and there is no network.
    let output = author(&relay(), &folder)
        .env("npm_config_cache", folder.join("empty"))
        .env("npm_config_offline", "true")
        .args(["plugin", "build", "in-js"])
        .output();
    let (_, err) = assert_ends(&output.unwrap(), 1);
    assert!(err.contains("error[P166]: ") && err.contains("it needs the network this once"), "{err}");
    let sdk = tools::workspace().join("plugin-sdk").display().to_string();
    let (_, err) = assert_ends(&run(&folder, &["plugin", "new", "x", "--lang", "js", "--sdk", &sdk]), 1);
    assert!(err.starts_with("error[P172]: "), "{err}");
}
