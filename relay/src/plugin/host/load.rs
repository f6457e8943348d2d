//! From a file to a generation: every step that can refuse a build.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::plugin::{Generation, Identity, PluginError};

use super::build::Build;
use super::components::Components;
use super::config::{HostConfig, PluginConfig};
use super::contract::{Contract, does_not_fit};
use super::engine::PluginEngine;
use super::fault;
use super::generation::{Loaded, LoadedGeneration, listed};
use super::guest::Linked;
use super::instance::{Instance, StartError};
use super::log::{GuestLog, printable};

/// Bytes of a plugin's version that screens and dead letters keep.
const LONGEST_VERSION: usize = 64;

/// Loads plugins. All of them share one engine, whose thread ends with the last plugin.
#[derive(Debug)]
pub struct PluginHost {
    engine: Arc<PluginEngine>,
    components: Components,
}

/// The plugin engine can't start on this machine.
#[derive(Debug, thiserror::Error)]
#[error("P110: the plugin engine can't start: {0}; plugins need a machine that may map executable memory")]
pub struct HostError(String);

/// Why a build can't serve, without the plugin's name.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) what: String,
    pub(super) remedy: String,
}

impl PluginHost {
    /// Starts the engine and its thread. It compiles in this process and keeps nothing.
    ///
    /// # Errors
    /// Those of [`PluginHost::with`].
    pub fn new() -> Result<Self, HostError> {
        Self::with(&HostConfig::default())
    }

    /// Starts the engine and its thread, and opens the cache. A cache that can't be used is a warning.
    ///
    /// # Errors
    /// [`HostError`] (`P110`) when the machine allows no executable memory or no thread.
    pub fn with(config: &HostConfig) -> Result<Self, HostError> {
        let engine = PluginEngine::start().map_err(|error| HostError(fault::cause(&error)))?;
        Ok(Self { engine: Arc::new(engine), components: Components::new(config) })
    }

    /// Reads the component of `config` and does everything that [`PluginHost::load_build`] does.
    ///
    /// # Errors
    /// `P100` when the file can't be read, and those of [`PluginHost::load_build`].
    pub fn load(&self, config: &PluginConfig) -> Result<Arc<dyn Generation>, PluginError> {
        let build = Build::read(&config.component, &config.config)
            .map_err(|error| PluginError::unreadable(config, &error))?;
        self.load_build(config, &build)
    }

    /// Compiles `build`, refuses whatever this relay does not serve, links it, and has one instance describe
    /// itself and take its configuration. Takes from 30 ms for a Rust plugin to seconds for one that carries a
    /// language runtime, so never call it where events flow.
    ///
    /// # Errors
    /// `P101` to `P109`, by the step that refused the build.
    pub fn load_build(
        &self,
        config: &PluginConfig,
        build: &Build,
    ) -> Result<Arc<dyn Generation>, PluginError> {
        match self.prepare(config, build) {
            Ok(loaded) => Ok(Arc::new(LoadedGeneration(Arc::new(loaded)))),
            Err(Refusal { code, what, remedy }) => {
                Err(PluginError { code, plugin: config.name.clone(), what, remedy })
            }
        }
    }

    pub(super) fn prepare(&self, config: &PluginConfig, build: &Build) -> Result<Loaded, Refusal> {
        let engine = self.engine.wasmtime();
        let component = self.components.of(engine, build.bytes())?;
        let contract = Contract::of(engine, &component)?;
        let linked = Linked::new(engine, &component, contract).map_err(|error| does_not_fit(&error))?;
        let identity = Identity {
            name: config.name.clone(),
            version: String::new(),
            digest: build.digest().to_string(),
        };
        let mut loaded = Loaded {
            engine: Arc::clone(&self.engine),
            linked,
            log: Arc::new(GuestLog::new(Arc::new(identity.clone()), &config.limits)),
            identity: Arc::new(identity.clone()),
            limits: config.limits.clone(),
            record: Arc::default(),
            has_told_of_memory: AtomicBool::new(false),
            config: config.config.to_string(),
        };
        let version = introduce(&loaded)?;
        loaded.identity = Arc::new(Identity { version, ..identity });
        loaded.log = Arc::new(GuestLog::new(Arc::clone(&loaded.identity), &config.limits));
        // The path that lanes will take, once over a fresh instance: it must not depend on `describe`.
        loaded.instance().map_err(not_configured)?;
        Ok(loaded)
    }
}

/// Asks a first instance what it is; returns its version.
fn introduce(loaded: &Loaded) -> Result<String, Refusal> {
    let mut instance = Instance::new(loaded).map_err(|fault| does_not_start(&fault.detail))?;
    let description = instance.describe(loaded).map_err(|fault| Refusal {
        code: "P106",
        what: format!("it failed in `describe`: {}", fault.detail),
        remedy: "this is a bug of the plugin: tell its author".to_owned(),
    })?;
    let is_empty = matches!(loaded.config.as_str(), "{}" | "null");
    if !is_empty && !description.takes_configuration {
        return Err(Refusal {
            code: "P107",
            what: "it takes no configuration, and it was given one".to_owned(),
            remedy: format!("remove the configuration of plugin {:?}", loaded.identity.name),
        });
    }
    Ok(printable(&description.version, LONGEST_VERSION))
}

impl PluginError {
    /// `P100`: the component of `config` can't be read.
    pub(crate) fn unreadable(config: &PluginConfig, error: &std::io::Error) -> Self {
        Self {
            code: "P100",
            plugin: config.name.clone(),
            what: format!("{} can't be read: {error}", config.component.display()),
            remedy: "build it with `relay plugin build`, or correct the path of its component".to_owned(),
        }
    }
}

fn does_not_start(detail: &str) -> Refusal {
    Refusal {
        code: "P108",
        what: format!("no instance of it can be made: {detail}"),
        remedy: "raise its memory limit if it asks for more, or tell its author".to_owned(),
    }
}

fn not_configured(error: StartError) -> Refusal {
    match error {
        StartError::Instantiate(fault) => does_not_start(&fault.detail),
        StartError::Configure(fault) => Refusal {
            code: "P108",
            what: format!("it failed in `configure`: {}", fault.detail),
            remedy: "this is a bug of the plugin: tell its author; problems of a configuration are returned"
                .to_owned(),
        },
        StartError::Refused(problems) => Refusal {
            code: "P107",
            what: format!("its configuration is refused: {}", listed(&problems)),
            remedy: "correct its configuration at the paths named".to_owned(),
        },
    }
}
