//! Guests for tests, made from WebAssembly text without a compiler.

use std::path::Path;
use std::sync::Arc;

use relay_engine::event::{EventBatch, EventFields};
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::PluginConfig;

/// The contract as it is.
pub(crate) const WIT: &str = include_str!("../../../../wit/0.1.0/plugin.wit");

/// A guest that does with each event what the first letter of its id asks for; the file lists the letters.
pub(crate) const OBEDIENT: &str = include_str!("testing/obedient.wat");

/// The core module `wat` as a component of the world `transformer` in `wit`.
pub(crate) fn component(wat: &str, wit: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).expect("the text of the module is right");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("plugin.wit", wit).expect("the WIT is right");
    let world = resolve.select_world(&[package], Some("transformer")).expect("there is a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).and_then(|it| it.validate(true).encode()).unwrap()
}

/// [`OBEDIENT`] as a component.
pub(crate) fn obedient() -> Vec<u8> {
    component(OBEDIENT, WIT)
}

/// Another build of the same plugin, which calls itself `version` (five characters).
pub(crate) fn obedient_version(version: &str) -> Vec<u8> {
    component(&OBEDIENT.replace("0.9.1", version), WIT)
}

/// A plugin called `test` at `component`, with limits that tests reach quickly.
pub(crate) fn config(component: impl AsRef<Path>) -> PluginConfig {
    PluginConfig::new("test", component.as_ref(), json!({}))
}

/// A batch of events with these ids.
pub(crate) fn events(ids: &[&str]) -> Arc<EventBatch> {
    let mut batch = EventBatch::default();
    for (index, id) in ids.iter().enumerate() {
        let fields = EventFields {
            id,
            sequence: index as u64,
            aggregate_type: "order",
            aggregate_id: "order-1",
            payload: Some(b"{}"),
            headers: &[("id", id.as_bytes())],
            attributes: &[("tenant", "blue")],
            attempt: 1,
            ..EventFields::default()
        };
        batch.push(&fields).unwrap();
    }
    Arc::new(batch)
}
