//! From a file to a generation: every step that can refuse a build.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::plugin::lookup::{LookupConfig, LookupError, Lookups};
use crate::plugin::{Generation, Identity, Permissions, PluginError};

use super::build::Build;
use super::components::{Components, is_component};
use super::config::{HostConfig, PluginConfig};
use super::contract::{self, Contract, does_not_fit};
use super::difference;
use super::engine::{PluginEngine, Sources};
use super::fault;
use super::generation::{Loaded, LoadedGeneration, listed};
use super::guest::{Description, Linked};
use super::instance::{Instance, StartError};
use super::interfaces::Interfaces;
use super::log::{GuestLog, printable};
use super::metrics::MetricsRegistry;
use super::usage::Usage;

/// Bytes of a plugin's name or version that screens and dead letters keep.
const LONGEST_VERSION: usize = 64;

/// Bytes of a plugin's summary that screens show.
const LONGEST_SUMMARY: usize = 400;

/// Loads plugins. All of them share one engine, whose thread ends with the last plugin.
#[derive(Debug)]
pub struct PluginHost {
    engine: Arc<PluginEngine>,
    components: Components,
    /// Compiles at once: an author waits for each build.
    shows_sources: bool,
    lookups: Arc<Lookups>,
    metrics: MetricsRegistry,
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

impl Refusal {
    fn of(self, plugin: &str) -> PluginError {
        let Self { code, what, remedy } = self;
        PluginError { code, plugin: plugin.to_owned(), what, remedy }
    }

    /// The same refusal in the words of the contract, where they could be found.
    fn with_difference(self, difference: Option<String>) -> Self {
        match difference {
            Some(difference) => {
                Self { what: format!("{difference}; this relay serves {}", contract::served()), ..self }
            }
            None => self,
        }
    }
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
        let engine = PluginEngine::start(Sources::shown_if(config.source_lines))
            .map_err(|error| HostError(fault::cause(&error)))?;
        Ok(Self {
            engine: Arc::new(engine),
            components: Components::new(config),
            shows_sources: config.source_lines,
            lookups: Arc::default(),
            metrics: MetricsRegistry::default(),
        })
    }

    /// The lookup tables of its plugins: somebody has to read them again.
    #[must_use]
    pub fn lookups(&self) -> Arc<Lookups> {
        Arc::clone(&self.lookups)
    }

    /// From now on events flow: builds are compiled behind the lanes, larger ones on one core, unless their author waits
    /// for them.
    pub fn stand_behind_lanes(&self) {
        if !self.shows_sources {
            self.components.stand_back();
        }
    }

    /// Nobody waits for what is being compiled any more: its process is ended, and loading fails.
    pub fn give_up(&self) {
        self.components.give_up();
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

    /// Refuses whatever this relay does not serve, compiles `build`, links it, and has one instance describe
    /// itself and take its configuration. Takes from 30 ms for a Rust plugin to seconds for one that carries a
    /// language runtime, so never call it where events flow.
    ///
    /// # Errors
    /// `P101` to `P109`, by the step that refused the build, and `P140` for a lookup table that can't be read.
    pub fn load_build(
        &self,
        config: &PluginConfig,
        build: &Build,
    ) -> Result<Arc<dyn Generation>, PluginError> {
        self.load_if(config, build, |_| Ok(()))
    }

    /// [`PluginHost::load_build`] if `may` agrees to what the build may use, which is asked before any of its code
    /// runs; where its types can be read before it is compiled, then too.
    ///
    /// # Errors
    /// Those of [`PluginHost::load_build`], and that of `may`.
    pub fn load_if(
        &self,
        config: &PluginConfig,
        build: &Build,
        may: impl Fn(&Permissions) -> Result<(), PluginError>,
    ) -> Result<Arc<dyn Generation>, PluginError> {
        let told = |refusal: Refusal| refusal.of(&config.name);
        if let Some(permissions) = first_look(build.bytes()).map_err(told)? {
            may(&permissions)?;
        }
        let linked = self.link(config, build).map_err(told)?;
        may(&linked.permissions)?;
        let started = start(linked).map_err(told)?;
        Ok(Arc::new(LoadedGeneration(Arc::new(started))))
    }

    /// Refuses what this relay does not serve, compiles `bytes`, and asks the plugin what it is. Nothing is
    /// configured: an author looks at a component before there is a configuration for it.
    ///
    /// # Errors
    /// `P101` to `P106`, `P108` and `P109`, by the step that refused it; `name` stands in the error.
    pub fn describe(&self, name: &str, bytes: &[u8]) -> Result<Description, PluginError> {
        let config = PluginConfig::new(name, PathBuf::new(), serde_json::Value::Null);
        let build = Build::new(bytes.to_vec(), &config.config);
        let linked = first_look(bytes).and_then(|_| self.link(&config, &build));
        linked.and_then(|loaded| introduce(&loaded)).map_err(|refusal| refusal.of(name))
    }

    /// Everything up to the first instance: none of the guest's code has run.
    fn link(&self, config: &PluginConfig, build: &Build) -> Result<Loaded, Refusal> {
        let engine = self.engine.wasmtime();
        let component = self.components.of(engine, build.bytes())?;
        let interfaces = Interfaces::of_component(engine, &component);
        let contract = Contract::of(&interfaces)?;
        let linked = contract
            .check_types(engine, &component)
            .and_then(|()| Linked::new(engine, &component, contract).map_err(|error| does_not_fit(&error)))
            .map_err(|refusal| refusal.with_difference(difference::of(build.bytes())))?;
        let open = |it: &LookupConfig| self.lookups.open(it).map_err(|error| without_table(&it.name, error));
        let lookups = config.lookups.iter().map(open).collect::<Result<_, _>>()?;
        let identity = Identity {
            name: config.name.clone(),
            version: String::new(),
            digest: build.digest().to_string(),
        };
        Ok(Loaded {
            engine: Arc::clone(&self.engine),
            linked,
            permissions: interfaces.permissions(),
            log: Arc::new(GuestLog::new(Arc::new(identity.clone()), &config.limits)),
            identity: Arc::new(identity),
            limits: config.limits.clone(),
            lookups,
            metrics: self.metrics.of(&config.name, config.limits.series),
            record: Arc::default(),
            usage: Usage::default(),
            has_told_of_memory: AtomicBool::new(false),
            config: config.config.to_string(),
        })
    }

    #[cfg(test)]
    pub(super) fn prepare(&self, config: &PluginConfig, build: &Build) -> Result<Loaded, Refusal> {
        start(self.link(config, build)?)
    }
}

/// Refuses what is not served from the types of the component `bytes`, before the time to compile it is spent; with what
/// it may use. `None` where they can't be read so early: the engine has the last word in any case.
fn first_look(bytes: &[u8]) -> Result<Option<Permissions>, Refusal> {
    is_component(bytes)?;
    let Ok(interfaces) = Interfaces::of(bytes) else { return Ok(None) };
    Contract::of(&interfaces).map(|_| Some(interfaces.permissions()))
}

/// Has an instance describe itself and take its configuration.
fn start(mut loaded: Loaded) -> Result<Loaded, Refusal> {
    let version = introduce(&loaded)?.version;
    loaded.identity = Arc::new(Identity { version, ..(*loaded.identity).clone() });
    loaded.log = Arc::new(GuestLog::new(Arc::clone(&loaded.identity), &loaded.limits));
    // The path that lanes will take, once over a fresh instance: it must not depend on `describe`.
    loaded.instance().map_err(not_configured)?;
    Ok(loaded)
}

/// Asks a first instance what it is, and shortens its words to what screens and dead letters keep.
fn introduce(loaded: &Loaded) -> Result<Description, Refusal> {
    let mut instance = Instance::new(loaded).map_err(|fault| does_not_start(&fault.detail))?;
    let description = instance.describe(loaded).map_err(|fault| Refusal {
        code: "P106",
        what: format!("it failed in `describe`: {}", fault.detail),
        remedy: "this is a bug of the plugin: tell its author".to_owned(),
    })?;
    let is_empty = matches!(loaded.config.as_str(), "{}" | "null");
    if !is_empty && description.config_schema.is_none() {
        return Err(Refusal {
            code: "P107",
            what: "it takes no configuration, and it was given one".to_owned(),
            remedy: format!("remove the configuration of plugin {:?}", loaded.identity.name),
        });
    }
    Ok(Description {
        name: printable(&description.name, LONGEST_VERSION),
        version: printable(&description.version, LONGEST_VERSION),
        summary: printable(&description.summary, LONGEST_SUMMARY),
        config_schema: description.config_schema,
    })
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

fn without_table(name: &str, error: LookupError) -> Refusal {
    Refusal {
        code: "P140",
        what: format!("its lookup table {name:?} can't be read: {}", error.what),
        remedy: error.remedy,
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
