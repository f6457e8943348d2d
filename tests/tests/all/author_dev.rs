//! `relay dev`: an author saves, and sees at once what becomes of events, while they flow.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use relay_tests::journal::create_outbox;
use relay_tests::stack::shared_postgres;
use relay_tests::stack::tools::{target_folder, workspace};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::author::{assert_ends, author, relay, work_folder};

/// Far above what any step takes on a busy machine; the first build compiles the SDK.
const PATIENCE: Duration = Duration::from_secs(400);

/// `relay dev --json`, ended when dropped.
pub(crate) struct Dev {
    child: Child,
    news: Receiver<Value>,
}

impl Dev {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub(crate) fn start_with(folder: &Path, arguments: &[&str]) -> Self {
        // What one that is killed leaves behind is left there.
        Self::start_in(folder, arguments, &target_folder().join("tmp"))
    }

    /// With a folder for temporary files of its own.
    pub(crate) fn start_in(folder: &Path, arguments: &[&str], temporary: &Path) -> Self {
        let mut command = author(&relay(), folder);
        fs::create_dir_all(temporary).unwrap();
        command.args(["dev", "--json"]).args(arguments).env("TMPDIR", temporary);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (sender, news) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, news }
    }

    /// The next news of this kind; the others are passed over.
    pub(crate) fn wait_for(&self, kind: &str) -> Value {
        self.wait_for_all(&[kind]).remove(0)
    }

    /// The next news of each of these kinds, in whichever order they come; the others are passed over.
    pub(crate) fn wait_for_all(&self, kinds: &[&str]) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen: Vec<Value> = Vec::new();
        loop {
            let first = |kind: &&str| seen.iter().find(|it| it["news"] == **kind).cloned();
            let found: Vec<Value> = kinds.iter().filter_map(first).collect();
            if found.len() == kinds.len() {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(news) = self.news.recv_timeout(left) else {
                let seen: Vec<_> = seen.iter().map(Value::to_string).collect();
                panic!("no {kinds:?} came; there were:\n{}", seen.join("\n"));
            };
            seen.push(news);
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: it does nothing more.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGINT, as Ctrl-C sends it, and its exit code; `None` where it went on for longer than `patience` and was killed.
    pub(crate) fn interrupt(&mut self, patience: Duration) -> Option<i32> {
        let id = self.child.id().to_string();
        std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
        let deadline = Instant::now() + patience;
        // Its output ends with it.
        while self.news.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        if Instant::now() >= deadline {
            self.kill();
            return None;
        }
        self.child.wait().unwrap().code()
    }

    /// SIGTERM, and its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    /// A test that failed ends it gracefully too, so that it ends the relay that it runs.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = std::process::Command::new("kill").args(["-TERM", &id]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// A new plugin in `folder`, under the folder's own name: cargo gives the builds of equal names one place.
pub(crate) fn new_plugin(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let sdk = workspace().join("plugin-sdk").display().to_string();
    assert_ends(&author(&relay(), folder).args(["plugin", "new", name, "--sdk", &sdk]).output().unwrap(), 0);
    folder.join(name)
}

/// As an editor does: a whole new file in the place of the old one.
pub(crate) fn save(file: &Path, text: &str) {
    let beside = file.with_extension("swp");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, file).unwrap();
}

#[test]
fn every_save_is_built_compared_and_live_and_broken_ones_stop_nothing() {
    let hello = new_plugin(&work_folder("saved-often"));
    let source = hello.join("src/lib.rs");
    let original = fs::read_to_string(&source).unwrap();
    let mut dev = Dev::start(&hello);
    let started = dev.wait_for("started");
    assert_eq!(started["cases"]["passed"], 3, "{started}");
    assert_eq!(started["events"].as_array().unwrap().len(), 3, "{started}");
    let mut running = started["digest"].as_str().unwrap().to_owned();
    for edit in 0..2 {
        let wrong = original.replace("Ok(discard(\"not an order\"))", "Ok(7)");
        save(&source, &wrong);
        let failed = dev.wait_for("failed");
        assert_eq!(
            (failed["code"].as_str(), failed["running"].as_str()),
            (Some("P155"), Some(running.as_str()))
        );
        assert!(failed["words"].as_str().unwrap().contains("mismatched types"), "{failed}");

        save(&source, &original.replace("not an order", &format!("no order {edit}")));
        let built = dev.wait_for("built");
        assert_eq!(built["from"].as_str(), Some(running.as_str()), "{built}");
        let first = &built["differing"][0];
        assert_eq!(first["after"]["outcome"][0], format!("discard \"no order {edit}\""), "{built}");
        assert_eq!(built["cases"]["passed"], 2, "{built}");
        let live = dev.wait_for("live");
        assert_eq!(live["to"], built["to"]);
        running = live["to"].as_str().unwrap().to_owned();
        let part = |name: &str| live[name].as_f64().unwrap();
        let parts: f64 = ["build", "compile", "load", "swap", "first_output"].map(part).iter().sum();
        assert!((parts - part("total")).abs() < 1.0, "{live}");
        // The stream never stops: no event waits for cargo, or for a build that fails.
        assert!(part("longest_wait") < 5_000.0, "{live}");
    }
    assert_eq!(dev.stop(), Some(0));
}

#[test]
fn a_first_build_that_fails_waits_for_the_save_that_mends_it() {
    let hello = new_plugin(&work_folder("broken-at-first"));
    let (source, cases) = (hello.join("src/lib.rs"), hello.join("cases/orders.toml"));
    let [original, settings] = [&source, &cases].map(|it| fs::read_to_string(it).unwrap());
    fs::write(&source, original.replace("Ok(discard(\"not an order\"))", "Ok(7)")).unwrap();
    fs::write(&cases, settings.replace("config = { topic", "config = { tropic")).unwrap();
    let mut dev = Dev::start(&hello);
    let failed = dev.wait_for("failed");
    assert_eq!((&failed["code"], &failed["running"]), (&json!("P155"), &Value::Null), "{failed}");
    assert!(failed["words"].as_str().unwrap().contains("mismatched types"), "{failed}");

    // It compiles, and refuses the settings that the golden cases give it.
    save(&source, &original);
    assert_eq!(dev.wait_for("saved")["file"], "src/lib.rs");
    let failed = dev.wait_for("failed");
    assert_eq!((&failed["code"], &failed["running"]), (&json!("P107"), &Value::Null), "{failed}");

    save(&cases, &settings);
    let started = dev.wait_for("started");
    assert_eq!(started["cases"]["passed"], 3, "{started}");
    // From here on everything is as usual, with the settings that were corrected.
    save(&source, &original.replace("not an order", "no order"));
    let live = dev.wait_for("live");
    assert!(live["first_output"].is_number(), "{live}");
    assert_eq!(dev.stop(), Some(0));
}

#[test]
fn a_first_build_that_no_save_can_mend_ends_the_command() {
    let hello = new_plugin(&work_folder("without-cargo"));
    let text =
        CONFIGURED.replace("URL", "postgres://nobody@192.0.2.1/none").replace("COMPONENT", "hello.wasm");
    fs::write(hello.join("relay.toml"), text).unwrap();
    let mut command = author(Path::new("timeout"), &hello);
    command.arg("60").arg(relay()).arg("dev").env("CARGO", "/nowhere/cargo");
    let output = command.output().unwrap();
    let (_, err) = assert_ends(&output, 1);
    assert!(err.starts_with("error[P153]: "), "{err}");
}

#[test]
fn a_panic_is_told_with_its_place_and_the_others_go_on() {
    let hello = new_plugin(&work_folder("panics"));
    let source = hello.join("src/lib.rs");
    let original = fs::read_to_string(&source).unwrap();
    let mut dev = Dev::start(&hello);
    dev.wait_for("started");
    let check = "        assert!(event.aggregate_id() != \"order-18\", \"no eighteen\");\n";
    let at = original.find("        // An event that needs no message").unwrap();
    save(&source, &format!("{}{check}{}", &original[..at], &original[at..]));
    let line = 1 + original[..at].matches('\n').count();
    // What the relay tells and what the comparison finds come in either order.
    let [told, built] = &dev.wait_for_all(&["unanswered", "built"])[..] else { panic!("two were asked for") };
    let place = format!("no eighteen at src/lib.rs:{line}, in ");
    assert!(told["words"].as_str().unwrap().starts_with(&place), "{told}");
    let plugin = format!("panics 0.1.0 ({})", built["to"].as_str().unwrap());
    assert_eq!((told["code"].as_str(), told["plugin"].as_str()), (Some("P120"), Some(&*plugin)), "{told}");
    assert_eq!(told["dead"], true, "{told}");
    let first = &built["differing"][0]["after"];
    assert!(first["detail"].as_str().unwrap().starts_with(&place), "{built}");
    assert_eq!(first["outcome"][0], "fault P120", "{built}");
    assert_eq!(dev.stop(), Some(0));
}

/// The recorded events, the running relay and the plugin's settings are those of the configuration.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_configuration_events_come_from_its_database_and_go_to_its_sinks() {
    let folder = work_folder("configured");
    let plugin = new_plugin(&folder);
    let url = shared_postgres().await.unwrap().create_database("dev_configured").await.unwrap();
    create_outbox(&url).await.unwrap();
    let mut shop = PgConnection::connect(&url).await.unwrap();
    let insert = "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, headers) SELECT 'order', \
                  'order-' || n, 'OrderPlaced', '{\"customer\":{\"email\":\"a@example.org\"}}', '{\"n\":\"1\"}' \
                  FROM generate_series(1, $1) n";
    sqlx::query(insert).bind(30).execute(&mut shop).await.unwrap();
    let component = plugin.join("configured.wasm");
    let text = CONFIGURED.replace("URL", &url).replace("COMPONENT", &component.display().to_string());
    fs::write(folder.join("shop.toml"), text).unwrap();
    tokio::task::block_in_place(|| {
        let mut dev = Dev::start_with(&folder, &["--config", "shop.toml", "--last", "7"]);
        let started = dev.wait_for("started");
        let events = started["events"].as_array().unwrap();
        assert_eq!(events.len(), 7, "{started}");
        assert!(events.iter().all(|it| it["outcome"][0] == "message to kafka configured"), "{started}");
        // The golden cases keep their own configuration.
        assert_eq!(started["cases"]["passed"], 3, "{started}");
        let source = plugin.join("src/lib.rs");
        let original = fs::read_to_string(&source).unwrap();
        save(&source, &original.replace(".key(event.key())", ".header(\"a\", \"b\")"));
        let built = dev.wait_for("built");
        let differing = built["differing"].as_array().unwrap().len();
        assert_eq!((built["compared"].as_u64(), differing), (Some(7), 7), "{built}");
        let live = dev.wait_for("live");
        assert_eq!((&live["to"], &live["first_output"]), (&built["to"], &Value::Null));
        assert_eq!(dev.stop(), Some(0));
    });
}

const CONFIGURED: &str = r#"
[source.shop]
type  = "postgres"
url   = "URL"
table = "public.outbox"
start = "beginning"

[sink.events]
type = "stdout"
as   = "kafka"

[plugin.mine]
component = "COMPONENT"
config    = { topic = "configured" }
grant     = { events = ["*"] }

[pipeline.orders]
source  = "shop"
plugins = ["mine"]
sinks   = ["events"]

[admin]
listen = "off"
"#;

/// What comes to the second plugin of a chain is made by the first, so nothing is known of it until that one was built.
#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_a_chain_are_first_built_in_order_and_the_relay_starts_with_all_of_them() {
    let (first_of, second_of) = (work_folder("chain-first"), work_folder("chain-second"));
    let (first, second) = (new_plugin(&first_of), new_plugin(&second_of));
    let url = shared_postgres().await.unwrap().create_database("dev_chain").await.unwrap();
    create_outbox(&url).await.unwrap();
    let component = |plugin: &Path| {
        let name = plugin.file_name().unwrap();
        plugin.join(name).with_extension("wasm").display().to_string()
    };
    let table = "[plugin.mine]\ncomponent = \"COMPONENT\"\nconfig    = { topic = \"configured\" }\n";
    let text = CONFIGURED.replace("plugins = [\"mine\"]", "plugins = [\"earlier\", \"mine\"]");
    let text = format!("{text}{}", table.replace("mine", "earlier").replace("COMPONENT", &component(&first)));
    let text = text.replace("URL", &url).replace("COMPONENT", &component(&second));
    fs::write(first_of.join("shop.toml"), text).unwrap();
    let [source, later] = [&first, &second].map(|it| it.join("src/lib.rs"));
    let original = fs::read_to_string(&source).unwrap();
    fs::write(&source, original.replace("Ok(discard(\"not an order\"))", "Ok(7)")).unwrap();
    tokio::task::block_in_place(|| {
        let mut dev = Dev::start_with(&first_of, &["--config", "shop.toml"]);
        assert_eq!(dev.wait_for("failed")["plugin"], "earlier");
        // A save of a plugin that waits for its turn begins nothing.
        save(&later, &original.replace("not an order", "no order"));
        save(&source, &original);
        assert_eq!(dev.wait_for("saved")["plugin"], "earlier");
        assert_eq!(dev.wait_for("started")["plugin"], "earlier");
        assert_eq!(dev.wait_for("started")["plugin"], "mine");
        save(&later, &original.replace("not an order", "none at all"));
        assert_eq!(dev.wait_for("saved")["plugin"], "mine");
        let live = dev.wait_for("live");
        assert_eq!(live["plugin"], "mine", "{live}");
        assert_eq!(dev.stop(), Some(0));
    });
}

#[test]
fn a_configuration_without_a_plugins_source_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[source.shop]\ntype = \"sqlite\"\npath = \"shop.db\"\nstart = \"now\"\n[sink.out]\ntype = \"stdout\"\n\
                [pipeline.orders]\nsource = \"shop\"\nsinks = [\"out\"]\n";
    fs::write(folder.path().join("relay.toml"), text).unwrap();
    let output = author(&relay(), folder.path()).arg("dev").output().unwrap();
    let (_, err) = assert_ends(&output, 4);
    assert!(err.starts_with("error[P173]: "), "{err}");
    let empty = tempfile::tempdir().unwrap();
    let (_, err) = assert_ends(&author(&relay(), empty.path()).arg("dev").output().unwrap(), 1);
    assert!(err.starts_with("error[P150]: "), "{err}");
}
