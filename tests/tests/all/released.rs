//! Components that were built for a released version of the contract run on, whatever the relay is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use relay::plugin::host::{PluginConfig, PluginHost};
use relay::plugin::lookup::{LookupConfig, OriginConfig};
use relay::plugin::{Answer, PERMISSIONS};
use relay_engine::event::{EventBatch, EventFields};
use relay_engine::message::Content;
use relay_engine::verdict::{Target, Verdict};
use relay_tests::hostile::interfaces;

/// The largest component that is kept for a version.
const MOST_BYTES: u64 = 150 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("released")
}

/// Every component of every version.
fn components() -> Vec<PathBuf> {
    let in_folder = |folder: &Path| fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let versions = in_folder(&folder()).filter(|it| it.is_dir());
    let mut all: Vec<_> = versions.flat_map(|it| in_folder(&it).collect::<Vec<_>>()).collect();
    all.retain(|it| it.extension().is_some_and(|it| it == "wasm"));
    all.sort();
    all
}

fn config(component: &Path) -> PluginConfig {
    let rows = BTreeMap::from([("c-1".to_owned(), serde_json::json!({ "tier": "gold" }))]);
    let customers = LookupConfig {
        name: "customers".to_owned(),
        origin: OriginConfig::Rows(rows),
        max: 1 << 20,
        refresh: Duration::from_secs(30),
    };
    let config = PluginConfig::new("released", component, serde_json::json!({}));
    PluginConfig { lookups: vec![customers], ..config }
}

#[test]
fn a_component_of_every_version_that_was_released_loads_and_runs() {
    if let Ok(version) = std::env::var("RELAY_FREEZE") {
        fs::write(folder().join(version).join("interfaces.wasm"), interfaces().unwrap()).unwrap();
    }
    let components = components();
    assert!(!components.is_empty());
    let host = PluginHost::new().unwrap();
    for component in components {
        let shown = component.display();
        assert!(fs::metadata(&component).unwrap().len() <= MOST_BYTES, "{shown}");
        let generation = host.load(&config(&component)).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let permissions = generation.permissions();
        let used: Vec<&str> = permissions.names().collect();
        assert!(used.iter().all(|it| PERMISSIONS.contains(it)), "{shown}: {used:?}");
        let mut batch = EventBatch::default();
        for key in ["c-1", "c-2"] {
            let fields = EventFields {
                id: key,
                aggregate_id: key,
                event_type: "a",
                headers: &[("origin", b"shop"), ("empty", b"")],
                attributes: &[("tenant", "blue")],
                attempt: 1,
                ..EventFields::default()
            };
            batch.push(&fields).unwrap();
        }
        let mut answers = Vec::new();
        generation.instantiate().unwrap().run("shop", &Arc::new(batch), &mut answers);
        let [Answer::Verdict(Verdict::Publish(found)), Answer::Verdict(Verdict::Publish(unknown))] =
            &answers[..]
        else {
            panic!("{shown}: {answers:?}")
        };
        assert_eq!(found[0].body, Content::Bytes(br#"{"tier":"gold"}"#.to_vec()), "{shown}");
        assert_eq!(unknown[0].body, Content::Unchanged, "{shown}");
        for message in [&found[0], &unknown[0]] {
            assert!(!message.inherit_headers, "{shown}");
            let headers = [("origin", &b"shop"[..]), ("empty", b"")];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_vec()));
            assert_eq!(message.headers, headers, "{shown}");
            assert_eq!(message.slot.as_deref(), Some("blue"), "{shown}");
        }
        let to = Target::Http { path: "/orders".to_owned(), method: None, auth: Some("crm".to_owned()) };
        assert_eq!(found[0].to, Some(to), "{shown}");
    }
}

#[test]
fn the_newest_components_use_all_that_the_relay_offers() {
    let host = PluginHost::new().unwrap();
    let newest = components().pop().unwrap();
    let permissions = host.load(&config(&newest)).unwrap().permissions();
    assert_eq!(permissions.names().collect::<Vec<_>>(), PERMISSIONS);
}
