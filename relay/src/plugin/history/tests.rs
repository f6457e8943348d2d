//! What a history remembers over a restart, and of a file that was cut short.

use std::fs;
use std::io::Write as _;

use serde_json::json;
use tempfile::TempDir;

use super::{Entry, History, How, Left};
use crate::plugin::PluginError;
use crate::plugin::host::{Build, Digest};

fn build(text: &str) -> Build {
    Build::new(text.as_bytes().to_vec(), &json!({}))
}

fn digest(text: &str) -> Digest {
    build(text).digest()
}

fn runs(text: &str, how: How, trusted: Option<&str>) -> Entry {
    Entry::Runs {
        at: 1,
        digest: digest(text).to_string(),
        version: text.to_owned(),
        permissions: vec!["log.write".to_owned()],
        how,
        trusted: trusted.map(|it| digest(it).to_string()),
    }
}

fn refused(text: &str, code: &'static str) -> Entry {
    let error = PluginError { code, plugin: "a".to_owned(), what: "why".to_owned(), remedy: String::new() };
    Entry::refused(digest(text).to_string(), &error)
}

fn open(folder: &TempDir) -> History {
    let history = History::open(Some(folder.path()), "a");
    assert!(history.file.is_some(), "the file is there");
    history
}

#[test]
fn what_ran_and_what_was_refused_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(&folder);
    history.add("a", vec![runs("one", How::Started, None)]);
    history.add("a", vec![runs("two", How::SwappedIn, Some("one"))]);
    drop(history);
    let mut history = open(&folder);
    let running = history.recall().running.unwrap();
    assert_eq!((running.digest, running.trusted), (digest("two"), Some(digest("one"))));
    assert_eq!(running.permissions.to_string(), "log.write");
    history.add("a", vec![Entry::trusted()]);
    assert_eq!(history.recall().running.unwrap().trusted, None);
    history.add("a", vec![refused("three", "P115")]);
    drop(history);
    let mut history = open(&folder);
    let before = history.recall().refused.unwrap();
    assert_eq!((before.digest, before.why.as_str()), (digest("three"), "P115: why"));
    history.add("a", vec![Entry::forgotten()]);
    assert_eq!(history.recall().refused, None);
}

#[test]
fn a_build_that_was_refused_runs_once_it_is_swapped_in_all_the_same() {
    let mut history = History::default();
    history.add("a", vec![refused("two", "P118"), runs("one", How::SwappedIn, None)]);
    assert!(history.recall().refused.is_some(), "another build says nothing of it");
    history.add("a", vec![runs("two", How::SwappedIn, None)]);
    assert_eq!(history.recall().refused, None);
}

#[test]
fn what_another_machine_or_another_relay_would_decide_otherwise_is_not_remembered() {
    let mut history = History::default();
    history.add("a", vec![refused("one", "P112")]);
    assert_eq!(history.recall().refused, None, "it was short of memory");
    let by_older = |code: &str| match refused("one", "P101") {
        Entry::Refused { at, digest, why, .. } => {
            let (code, relay) = (code.to_owned(), "0.0.1".to_owned());
            Entry::Refused { at, digest, code, why, relay }
        }
        other => other,
    };
    history.add("a", vec![by_older("P104")]);
    assert_eq!(history.recall().refused, None, "this relay may serve it");
    history.add("a", vec![by_older("P115")]);
    assert!(history.recall().refused.is_some());
}

#[test]
fn a_line_that_was_cut_short_is_left_out_and_what_follows_is_read() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).add("a", vec![runs("one", How::Started, None)]);
    let path = folder.path().join("a/history.jsonl");
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"what\":\"ru").unwrap();
    open(&folder).add("a", vec![runs("two", How::SwappedIn, None)]);
    let history = open(&folder);
    assert_eq!(history.entries.len(), 2);
    assert_eq!(history.recall().running.unwrap().digest, digest("two"));
}

#[test]
fn a_history_that_another_relay_keeps_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder);
    first.add("a", vec![runs("one", How::Started, None)]);
    let mut second = History::open(Some(folder.path()), "a");
    assert!(second.file.is_none() && second.recall().running.is_none());
    second.add("a", vec![runs("two", How::Started, None)]);
    drop(first);
    assert_eq!(open(&folder).recall().running.unwrap().digest, digest("one"));
}

#[test]
fn a_folder_that_others_may_write_to_is_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    open(&folder).add("a", vec![runs("one", How::Started, None)]);
    for place in ["a", "a/builds"] {
        let place = folder.path().join(place);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        let history = History::open(Some(folder.path()), "a");
        assert!(history.file.is_none() && history.builds().is_none() && history.recall().running.is_none());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
    }
    assert!(open(&folder).recall().running.is_some());
}

#[test]
fn a_long_history_loses_its_oldest_entries_and_never_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = open(&folder);
    history.add("a", vec![runs("one", How::Started, None)]);
    history.add("a", vec![refused("two", "P101"); 999]);
    assert!(history.entries.len() < 600, "{}", history.entries.len());
    history.add("a", vec![refused("three", "P101")]);
    drop(history);
    let recalled = open(&folder).recall();
    assert_eq!(recalled.running.unwrap().digest, digest("one"));
    assert_eq!(recalled.refused.unwrap().digest, digest("three"));
}

#[test]
fn each_row_says_why_its_build_was_left() {
    let mut history = History::default();
    history.add("a", vec![runs("one", How::Started, None), runs("two", How::SwappedIn, Some("one"))]);
    history.add("a", vec![refused("two", "P115"), runs("one", How::RolledBack, None)]);
    history.add("a", vec![refused("bad", "P101"), runs("three", How::SwappedIn, Some("one"))]);
    history.add("a", vec![Entry::trusted()]);
    history.add("a", vec![runs("one", How::RolledBackByHand, None), refused("three", "P130")]);
    let rows = history.rows();
    let told: Vec<_> =
        rows.iter().map(|it| (it.version.as_deref().unwrap_or("–"), it.left, it.reason.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("one", None, None),
            ("three", Some(Left::RolledBackByHand), None),
            ("–", Some(Left::Refused), Some("P101: why")),
            ("one", Some(Left::Replaced), None),
            ("two", Some(Left::RolledBack), Some("P115: why")),
            ("one", Some(Left::Replaced), None),
        ]
    );
}

#[test]
fn a_kept_build_comes_back_as_it_was_and_a_damaged_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let history = open(&folder);
    let builds = history.builds().unwrap();
    let config = json!({ "topic": "orders" });
    let kept = Build::new(b"component".to_vec(), &config);
    builds.keep(&kept, &config).unwrap();
    let (found, with) = builds.take(kept.digest()).unwrap();
    assert_eq!((found.bytes(), with), (&b"component"[..], config));
    fs::write(builds.folder().join(format!("{}.wasm", kept.digest())), b"another").unwrap();
    assert!(builds.take(kept.digest()).unwrap_err().contains("damaged"));
    assert!(builds.take(digest("never kept")).is_err());
}

#[test]
fn copies_that_nobody_needs_go() {
    let folder = tempfile::tempdir().unwrap();
    let builds = open(&folder).builds().unwrap();
    let names: Vec<String> = (0..14).map(|it| it.to_string()).collect();
    let digests: Vec<String> = names.iter().map(|it| digest(it).to_string()).collect();
    names.iter().for_each(|name| builds.keep(&build(name), &json!({})).unwrap());
    builds.prune(&digests[..12], 2);
    let kept = digests.iter().filter(|it| builds.has(it)).count();
    assert_eq!(kept, 10);
    assert!(builds.has(&digests[0]) && !builds.has(&digests[13]));
    builds.prune(&digests[11..], 2);
    assert_eq!(fs::read_dir(builds.folder()).unwrap().count(), 0, "what is gone does not come back");
}
