//! Events of an outbox become golden cases of a plugin.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use relay_tests::program::{Profile, component, program};

use crate::author::assert_ends;
use crate::tapped::{PRIVATE, Tapped};

async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let program = program(Profile::of_tests()).await.unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("RELAY_CONFIG")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_events_become_cases_without_what_is_hidden_and_pass_once_they_are_updated() {
    let tapped = Tapped::start("").await;
    tapped.commit(0..7).await;
    let folder = tempfile::tempdir().unwrap();
    let config = tapped.relay.folder().join("relay.toml").display().to_string();
    fs::create_dir(folder.path().join("cases")).unwrap();
    // The new file takes over how the plugin's other cases are configured.
    let other = "config = { remove = [\"/customer/phone\"] }\n\n[[case]]\nname = \"a tombstone\"\n\
                 event = { aggregate_type = \"order\", aggregate_id = \"1\", type = \"Gone\" }\nmessage = [{}]\n";
    fs::write(folder.path().join("cases/orders.toml"), other).unwrap();

    let record = |last: &'static str| {
        let hide = ["--redact", "$.customer.email", "--redact-header", "Contact"];
        [&["plugin", "record", "--config", &config, "--last", last][..], &hide].concat()
    };
    let (out, _) = assert_ends(&run(folder.path(), &record("3")).await, 0);
    assert!(out.starts_with("recorded  3 events of shop in cases/recorded.toml\n"), "{out}");
    let (out, _) = assert_ends(&run(folder.path(), &record("5")).await, 0);
    assert!(out.starts_with("recorded  2 events of shop") && out.contains("3 events there already"), "{out}");

    let file = folder.path().join("cases/recorded.toml");
    let redact = component("redact").await.unwrap().display().to_string();
    let test = ["plugin", "test", &redact, "--cases", "cases/recorded.toml"];
    let (out, _) = assert_ends(&run(folder.path(), &test).await, 1);
    assert!(out.contains("nothing is written down yet"), "{out}");
    assert_ends(&run(folder.path(), &[&test[..], &["--update"]].concat()).await, 0);
    let (out, _) = assert_ends(&run(folder.path(), &test).await, 0);
    assert!(out.ends_with("5 cases, all passed\n"), "{out}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(PRIVATE) && text.contains("[redacted]"), "{text}");
    assert!(text.contains("remove = [\"/customer/phone\"]") && text.contains("\"total\": 1.50"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_and_a_place_that_is_none_are_refused() {
    let tapped = Tapped::start("").await;
    let config = tapped.relay.folder().join("relay.toml").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let with = |more: &[&'static str]| {
        let all = ["plugin", "record", "--config", config.as_str()].into_iter().chain(more.iter().copied());
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    for (more, exit, words) in [
        (["--source", "shops"], 4, "error[C020]: there is no source \"shops\""),
        (["--redact", "customer.email"], 2, "is no place in a payload"),
    ] {
        let arguments = with(&more);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let (_, err) = assert_ends(&run(folder.path(), &arguments).await, exit);
        assert!(err.contains(words), "{err}");
    }
}
