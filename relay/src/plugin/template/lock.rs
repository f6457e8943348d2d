//! The versions of a new plugin's dependencies: those that the SDK was tested with. Where the relay itself was built
//! from source, they are on the machine already, and no registry is asked.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What a new plugin depends on.
const DEPENDENCIES: [&str; 2] = ["relay-plugin-sdk", "serde"];

/// A lock file for a new crate called `name`.
pub(super) fn lock(name: &str) -> String {
    let whole: Table = toml::from_str(LOCK).unwrap_or_default();
    let packages = whole.get("package").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut own = Table::new();
    own.insert("name".to_owned(), name.into());
    own.insert("version".to_owned(), "0.1.0".into());
    own.insert("dependencies".to_owned(), DEPENDENCIES.map(Value::from).to_vec().into());
    let mut kept: Vec<Value> = reachable(packages).into_iter().map(|index| packages[index].clone()).collect();
    kept.push(own.into());
    let mut lock = Table::new();
    lock.extend(whole.get("version").map(|it| ("version".to_owned(), it.clone())));
    lock.insert("package".to_owned(), kept.into());
    toml::to_string(&lock).unwrap_or_default()
}

/// The indexes of everything that [`DEPENDENCIES`] need.
fn reachable(packages: &[Value]) -> BTreeSet<usize> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        by_name.entry(text(package, "name")).or_default().push(index);
    }
    // `name`, or `name version` where several are locked.
    let find = |dependency: &str| {
        let mut words = dependency.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        let all = by_name.get(name).map_or(&[][..], Vec::as_slice);
        all.iter().copied().find(|&index| version.is_none_or(|it| text(&packages[index], "version") == it))
    };
    let mut found = BTreeSet::new();
    let mut next: Vec<usize> = DEPENDENCIES.iter().filter_map(|it| find(it)).collect();
    while let Some(index) = next.pop() {
        if found.insert(index) {
            let of_it = packages[index].get("dependencies").and_then(Value::as_array);
            next.extend(of_it.into_iter().flatten().filter_map(Value::as_str).filter_map(find));
        }
    }
    found
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_holds_what_a_plugin_needs_and_no_more() {
        let lock: Table = toml::from_str(&lock("hello")).unwrap();
        let packages = lock["package"].as_array().unwrap();
        let names: BTreeSet<_> = packages.iter().map(|it| text(it, "name")).collect();
        for needed in ["hello", "relay-plugin-sdk", "relay-plugin-cases", "serde", "wit-bindgen", "schemars"]
        {
            assert!(names.contains(needed), "{needed} is missing: {names:?}");
        }
        for other in ["relay", "wasmtime", "sqlx", "redact"] {
            assert!(!names.contains(other), "{other} is in it");
        }
        assert!(packages.len() < 80, "{} packages", packages.len());
    }
}
