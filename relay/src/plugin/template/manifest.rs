//! Manifests of the SDK without the workspace that they are written for.

use toml::{Table, Value};

const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// Where a copy of the SDK keeps the crates that the workspace knows by path.
const CASES: (&str, &str) = ("relay-plugin-cases", "cases");

/// `manifest` with what it inherits from the workspace written out, and without what only the workspace checks.
///
/// Both are this program's own files; what could not be read would show at the first build, and a test builds one.
pub(super) fn standalone(manifest: &str) -> String {
    let mut manifest: Table = toml::from_str(manifest).unwrap_or_default();
    let workspace: Table = toml::from_str(WORKSPACE).unwrap_or_default();
    let of_workspace = |key: &str| workspace.get("workspace")?.get(key)?.as_table();
    manifest.remove("lints");
    if let (Some(package), Some(shared)) =
        (manifest.get_mut("package").and_then(Value::as_table_mut), of_workspace("package"))
    {
        inherit(package, shared);
    }
    if let Some(shared) = of_workspace("dependencies") {
        inherit_dependencies(&mut manifest, shared);
    }
    toml::to_string(&manifest).unwrap_or_default()
}

/// Dependencies of the crate, and of it on each target.
fn inherit_dependencies(table: &mut Table, shared: &Table) {
    for (name, value) in table.iter_mut() {
        let Value::Table(inner) = value else { continue };
        if name == "dependencies" {
            inherit(inner, shared);
            if let Some(Value::Table(cases)) = inner.get_mut(CASES.0) {
                cases.insert("path".to_owned(), CASES.1.into());
            }
        } else if name == "target" {
            inner
                .iter_mut()
                .filter_map(|(_, it)| it.as_table_mut())
                .for_each(|it| inherit_dependencies(it, shared));
        }
    }
}

/// Replaces each `key.workspace = true` by what `shared` says.
fn inherit(table: &mut Table, shared: &Table) {
    for (key, value) in table.iter_mut() {
        let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
        if let Some(own) = shared.get(key).filter(|_| inherited) {
            *value = own.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_inherited_any_more() {
        let text = standalone(include_str!("../../../../plugin-sdk/Cargo.toml"));
        assert!(!text.contains("workspace"), "{text}");
        let manifest: Table = toml::from_str(&text).unwrap();
        assert_eq!(manifest["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert!(manifest["dependencies"]["wit-bindgen"]["features"].is_array(), "{text}");
        let native = &manifest["target"]["cfg(not(target_arch = \"wasm32\"))"]["dependencies"];
        assert_eq!(native["relay-plugin-cases"]["path"].as_str(), Some("cases"), "{text}");
        assert!(!standalone(include_str!("../../../../plugin-sdk/cases/Cargo.toml")).contains("workspace"));
    }
}
