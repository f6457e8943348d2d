//! A plugin whose source is at hand.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::plugin::build::{BuildError, CASES, Language, component_of};
use crate::plugin::golden::{CaseError, Suite};
use crate::plugin::host::PluginConfig;

/// A plugin whose source is at hand.
#[derive(Debug, Clone)]
pub(super) struct Project {
    /// Its crate.
    pub(super) dir: PathBuf,
    /// How the running relay loads it: under this name, from this file.
    pub(super) plugin: PluginConfig,
    /// Plugins that events pass before this one, in order.
    pub(super) earlier: Vec<PluginConfig>,
    /// The source that its pipeline reads.
    pub(super) source: Option<String>,
}

impl Project {
    /// Its golden cases; none where it has none.
    pub(super) fn suites(&self) -> Result<Vec<Suite>, CaseError> {
        let cases = self.dir.join(CASES);
        if cases.is_dir() { Suite::load(&cases) } else { Ok(Vec::new()) }
    }

    /// `words` with its files as they are called in its folder.
    pub(super) fn shortened(&self, words: &str) -> String {
        match self.dir.canonicalize() {
            Ok(dir) => words.replace(&format!("{}/", dir.display()), ""),
            Err(_) => words.to_owned(),
        }
    }

    /// The plugin in `dir`, built to `folder`, with `config`.
    pub(super) fn alone(dir: &Path, folder: &Path, config: serde_json::Value) -> Result<Self, BuildError> {
        let built = component_of(dir)?;
        let name = built.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let component = folder.join(format!("{name}.wasm"));
        let limits = crate::plugin::host::PluginLimits::default();
        // An author's own build is compared with an earlier one of the same author.
        let accept = vec![crate::plugin::ALL.to_owned()];
        let lookups = Vec::new();
        let plugin = PluginConfig { name, component, config, limits, accept, shadow: None, lookups };
        Ok(Self { dir: dir.to_owned(), plugin, earlier: Vec::new(), source: None })
    }

    /// Every plugin of `config` whose crate lies around its component or beside it under the same name:
    /// `hello/hello.wasm` in `hello`, `plugins/redact.wasm` in `plugins/redact`.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let mut projects: Vec<Self> = Vec::new();
        for pipeline in config.pipelines.values() {
            let mut earlier = Vec::new();
            for name in &pipeline.plugins {
                let Some(plugin) = config.plugins.get(name).map(|it| it.plugin.clone()) else { continue };
                let known = projects.iter().any(|it| it.plugin.name == plugin.name);
                if let Some(dir) = crate_of(&plugin.component).filter(|_| !known) {
                    let (earlier, source) = (earlier.clone(), Some(pipeline.source.clone()));
                    projects.push(Self { dir, plugin: plugin.clone(), earlier, source });
                }
                earlier.push(plugin);
            }
        }
        projects
    }
}

fn crate_of(component: &Path) -> Option<PathBuf> {
    let beside = component.with_extension("");
    let around = component.parent().map(Path::to_owned);
    let is_crate = |dir: &PathBuf| {
        let manifest = std::fs::read_to_string(dir.join("Cargo.toml")).unwrap_or_default();
        let other = || Language::of(dir).is_some_and(|it| it != Language::Rust);
        manifest.lines().any(|line| line.trim() == "[package]") || other()
    };
    std::iter::once(beside).chain(around).find(is_crate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_lies_around_its_component_or_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let package = |dir: &str| {
            std::fs::create_dir_all(folder.path().join(dir)).unwrap();
            std::fs::write(folder.path().join(dir).join("Cargo.toml"), "[package]\n").unwrap();
        };
        package("hello");
        package("plugins/redact");
        let found = |component: &str| crate_of(&folder.path().join(component));
        assert_eq!(found("hello/hello.wasm"), Some(folder.path().join("hello")));
        assert_eq!(found("plugins/redact.wasm"), Some(folder.path().join("plugins/redact")));
        assert_eq!(found("plugins/router.wasm"), None);
    }
}
