//! Screens of `relay plugin`.

use serde_json::json;

use super::inspect;
use crate::plugin::inspect::{Inspection, Interface};

fn inspection() -> Inspection {
    let interface = |name: &str, functions: &[&str]| Interface {
        name: format!("relay:plugin/{name}@0.1.0"),
        functions: functions.iter().map(|&it| it.to_owned()).collect(),
    };
    Inspection {
        component: "plugins/hello.wasm".into(),
        size: 252_817,
        digest: "41d33f0a".repeat(8),
        contract: "relay:plugin@0.1.0".to_owned(),
        world: "transformer",
        imports: vec![interface("types", &[]), interface("log", &["write"]), interface("clock", &["now"])],
        exports: vec![interface("transform", &["describe", "configure", "transform"])],
        name: "hello".to_owned(),
        version: "0.1.0".to_owned(),
        summary: "Sends each order to a topic".to_owned(),
        config_schema: Some(json!({
            "properties": {
                "topic": { "type": "string", "description": "The topic that orders go to." },
                "skip_tests": { "type": "boolean", "default": false },
            },
            "required": ["topic"],
        })),
    }
}

#[test]
fn inspect_shows_what_a_plugin_may_use_and_which_settings_it_takes() {
    insta::assert_snapshot!("inspect", inspect::screen(&inspection()));
    let quiet = Inspection { imports: Vec::new(), config_schema: None, ..inspection() };
    insta::assert_snapshot!("inspect_nothing", inspect::screen(&quiet));
    insta::assert_snapshot!("inspect_json", inspect::json_screen(&inspection()));
}
