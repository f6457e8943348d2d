//! The SDK, inside of this program: a plugin can be begun where nothing but the program is.

use super::manifest;
use super::{TemplateError, file};
use std::path::Path;

/// The sources of the SDK and of its golden cases, by their place in a copy of it.
const SOURCES: &[(&str, &str)] = &[
    ("cases/src/bytes.rs", include_str!("../../../../plugin-sdk/cases/src/bytes.rs")),
    ("cases/src/error.rs", include_str!("../../../../plugin-sdk/cases/src/error.rs")),
    ("cases/src/event.rs", include_str!("../../../../plugin-sdk/cases/src/event.rs")),
    ("cases/src/lib.rs", include_str!("../../../../plugin-sdk/cases/src/lib.rs")),
    ("cases/src/outcome.rs", include_str!("../../../../plugin-sdk/cases/src/outcome.rs")),
    ("cases/src/read.rs", include_str!("../../../../plugin-sdk/cases/src/read.rs")),
    ("cases/src/record.rs", include_str!("../../../../plugin-sdk/cases/src/record.rs")),
    ("cases/src/screen.rs", include_str!("../../../../plugin-sdk/cases/src/screen.rs")),
    ("cases/src/suite.rs", include_str!("../../../../plugin-sdk/cases/src/suite.rs")),
    ("cases/src/tests.rs", include_str!("../../../../plugin-sdk/cases/src/tests.rs")),
    ("cases/src/update.rs", include_str!("../../../../plugin-sdk/cases/src/update.rs")),
    ("src/bindings.rs", include_str!("../../../../plugin-sdk/src/bindings.rs")),
    ("src/clock.rs", include_str!("../../../../plugin-sdk/src/clock.rs")),
    ("src/config.rs", include_str!("../../../../plugin-sdk/src/config.rs")),
    ("src/event.rs", include_str!("../../../../plugin-sdk/src/event.rs")),
    ("src/export.rs", include_str!("../../../../plugin-sdk/src/export.rs")),
    ("src/fault.rs", include_str!("../../../../plugin-sdk/src/fault.rs")),
    ("src/json/document.rs", include_str!("../../../../plugin-sdk/src/json/document.rs")),
    ("src/json/fault.rs", include_str!("../../../../plugin-sdk/src/json/fault.rs")),
    ("src/json/mod.rs", include_str!("../../../../plugin-sdk/src/json/mod.rs")),
    ("src/json/node.rs", include_str!("../../../../plugin-sdk/src/json/node.rs")),
    ("src/json/pointer.rs", include_str!("../../../../plugin-sdk/src/json/pointer.rs")),
    ("src/lib.rs", include_str!("../../../../plugin-sdk/src/lib.rs")),
    ("src/log.rs", include_str!("../../../../plugin-sdk/src/log.rs")),
    ("src/lookup.rs", include_str!("../../../../plugin-sdk/src/lookup.rs")),
    ("src/message.rs", include_str!("../../../../plugin-sdk/src/message.rs")),
    ("src/metrics.rs", include_str!("../../../../plugin-sdk/src/metrics.rs")),
    ("src/plugin.rs", include_str!("../../../../plugin-sdk/src/plugin.rs")),
    ("src/target.rs", include_str!("../../../../plugin-sdk/src/target.rs")),
    ("src/testing.rs", include_str!("../../../../plugin-sdk/src/testing.rs")),
    ("src/testing/golden.rs", include_str!("../../../../plugin-sdk/src/testing/golden.rs")),
    ("src/testing/property.rs", include_str!("../../../../plugin-sdk/src/testing/property.rs")),
    ("src/verdict.rs", include_str!("../../../../plugin-sdk/src/verdict.rs")),
];

const WIT: &str = include_str!("../../../../wit/0.1.0/plugin.wit");
const SDK_MANIFEST: &str = include_str!("../../../../plugin-sdk/Cargo.toml");
const CASES_MANIFEST: &str = include_str!("../../../../plugin-sdk/cases/Cargo.toml");

/// Where the repository keeps the contract, seen from the SDK, and where a copy of the SDK does.
const WIT_FOLDERS: (&str, &str) = ("\"../wit/0.1.0\"", "\"wit/0.1.0\"");

/// Writes the SDK, as this program was built with it, into `dir`.
pub(super) fn write(dir: &Path) -> Result<(), TemplateError> {
    for (place, text) in SOURCES {
        let text = if *place == "src/bindings.rs" {
            text.replace(WIT_FOLDERS.0, WIT_FOLDERS.1)
        } else {
            (*text).to_owned()
        };
        file::write(&dir.join(place), &text)?;
    }
    file::write(&dir.join("wit/0.1.0/plugin.wit"), WIT)?;
    file::write(&dir.join("Cargo.toml"), &manifest::standalone(SDK_MANIFEST))?;
    file::write(&dir.join("cases/Cargo.toml"), &manifest::standalone(CASES_MANIFEST))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    fn list(folder: &Path, prefix: &str, into: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let place = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                list(&entry.path(), &place, into)
            } else {
                into.insert(place);
            }
        }
    }

    #[test]
    fn the_copy_holds_every_file_of_the_sdk() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("plugin-sdk");
        let mut expected = BTreeSet::new();
        list(&sdk.join("src"), "src", &mut expected);
        list(&sdk.join("cases/src"), "cases/src", &mut expected);
        let embedded: BTreeSet<_> = SOURCES.iter().map(|(place, _)| (*place).to_owned()).collect();
        assert_eq!(embedded, expected);
    }

    #[test]
    fn the_copy_finds_its_contract() {
        let (_, bindings) = SOURCES.iter().find(|(place, _)| *place == "src/bindings.rs").unwrap();
        assert_eq!(bindings.matches(WIT_FOLDERS.0).count(), 1);
    }
}
