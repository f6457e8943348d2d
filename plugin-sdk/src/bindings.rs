//! The types and functions generated from the WIT package.

wit_bindgen::generate!({
    path: "../wit/0.1.0",
    world: "transformer",
    additional_derives: [PartialEq, Eq],
    generate_unused_types: true,
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "relay_plugin_sdk::__private::bindings",
});
