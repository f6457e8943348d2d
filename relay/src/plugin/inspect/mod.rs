//! Says what a component is and what it may do, without a configuration and without running an event.

mod settings;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::plugin::host::{Build, Interfaces};
use crate::plugin::{Permissions, PluginError, golden};

pub use crate::plugin::host::Interface;
pub use crate::plugin::host::meaning as meaning_of_stub;
pub use settings::{Setting, settings};

/// What a component is and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The file.
    pub component: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// The contract it was built for, such as `relay:plugin@0.1.0`.
    pub contract: String,
    /// The world of the contract that it fits.
    pub world: &'static str,
    /// What it may use: the interfaces it imports, with the functions it calls. All that it can reach.
    pub imports: Vec<Interface>,
    /// What it imports of WASI: the relay stands in for it, without any power.
    pub stubs: Vec<Interface>,
    /// What it offers.
    pub exports: Vec<Interface>,
    /// The plugin's own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of its configuration, a text where it is no JSON; `None`: it takes none.
    pub config_schema: Option<serde_json::Value>,
}

/// Inspects the component at `path`.
///
/// Compiles it, unless `cache` has it compiled, and has one instance describe itself, under the limits of production;
/// nothing else of it runs.
///
/// # Errors
/// `P100` to `P110`: the same that a relay would give at its start, but for what needs a configuration.
pub fn inspect(path: &Path, cache: Option<PathBuf>) -> Result<Inspection, PluginError> {
    let name = path.file_stem().map_or_else(|| "plugin".into(), |it| it.to_string_lossy());
    let failed = |code, what: String, remedy: &str| PluginError {
        code,
        plugin: name.to_string(),
        what,
        remedy: remedy.to_owned(),
    };
    let build = Build::read(path, &serde_json::Value::Null).map_err(|error| {
        let what = format!("{} can't be read: {error}", path.display());
        failed("P100", what, "build it with `relay plugin build`, or correct the path")
    })?;
    let host = golden::host(&name, cache)?;
    let bytes = build.bytes();
    let described = host.describe(&name, bytes)?;
    let interfaces = Interfaces::of(bytes)
        .map_err(|error| failed("P101", format!("its types can't be read: {error}"), "build it again"))?;
    // What is no JSON is shown as it is: the relay itself never reads it.
    let schema = described.config_schema.map(|text| serde_json::from_str(&text).unwrap_or(text.into()));
    Ok(Inspection {
        component: path.to_owned(),
        size: bytes.len() as u64,
        digest: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        contract: interfaces.exports.iter().find_map(|it| contract(&it.name)).unwrap_or_default(),
        // The only world of the contract that exports `transform`, which loading has checked.
        world: "transformer",
        imports: interfaces.imports,
        stubs: interfaces.stubs,
        exports: interfaces.exports,
        name: described.name,
        version: described.version,
        summary: described.summary,
        config_schema: schema,
    })
}

/// What the component at `path` may use, from its types alone: nothing of it is compiled or run.
///
/// # Errors
/// Why it can't be told, in words.
pub fn permissions(path: &Path) -> Result<Permissions, String> {
    let build = Build::read(path, &serde_json::Value::Null);
    let build = build.map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let interfaces = Interfaces::of(build.bytes());
    interfaces.map(|it| it.permissions()).map_err(|error| format!("{}: {error}", path.display()))
}

/// `relay:plugin@0.1.0` of `relay:plugin/transform@0.1.0`.
fn contract(name: &str) -> Option<String> {
    let (package, version) = name.split_once("/transform@")?;
    Some(format!("{package}@{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::host::testing::{OBEDIENT, WIT, component, obedient};

    fn inspected(bytes: &[u8]) -> Result<Inspection, PluginError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.wasm");
        std::fs::write(&file, bytes).unwrap();
        inspect(&file, None)
    }

    #[test]
    fn a_component_says_what_it_is_and_what_it_uses() {
        let found = inspected(&obedient()).unwrap();
        assert_eq!((found.contract.as_str(), found.world), ("relay:plugin@0.1.0", "transformer"));
        assert_eq!(found.version, "0.9.1");
        let names: Vec<_> = found.imports.iter().map(|it| it.name.as_str()).collect();
        assert!(names.contains(&"relay:plugin/log@0.1.0"), "{names:?}");
        let transform = &found.exports[0];
        assert_eq!(transform.functions, ["describe", "configure", "transform"]);
        assert_eq!(found.digest.len(), 64);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.wasm");
        std::fs::write(&file, obedient()).unwrap();
        assert_eq!(
            permissions(&file).unwrap().to_string(),
            "clock.now, kv.get, kv.get-many, log.write, metrics.add-counter"
        );
    }

    #[test]
    fn what_is_no_plugin_is_told_apart() {
        let code = |bytes: &[u8]| inspected(bytes).unwrap_err().code;
        assert_eq!(code(b"text"), "P101");
        assert_eq!(code(&wat::parse_str("(module)").unwrap()), "P102");
        assert_eq!(code(&wat::parse_str("(component)").unwrap()), "P105");
        assert_eq!(inspect(Path::new("no/such.wasm"), None).unwrap_err().code, "P100");
    }

    #[test]
    fn a_build_for_another_version_names_it_and_one_for_other_types_names_the_type() {
        let later = component(&OBEDIENT.replace("@0.1.0", "@0.7.0"), &WIT.replace("@0.1.0", "@0.7.0"));
        let error = inspected(&later).unwrap_err();
        assert_eq!(error.code, "P103");
        assert!(error.what.contains("relay:plugin/transform@0.7.0"), "{error}");
        let other = component(OBEDIENT, &WIT.replace("attempt: u32,", "attempt: u64,"));
        let error = inspected(&other).unwrap_err();
        assert_eq!(error.code, "P109");
        assert!(error.what.contains("record `event`") && error.what.contains("`attempt`"), "{error}");
    }
}
