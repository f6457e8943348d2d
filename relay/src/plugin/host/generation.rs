//! One loaded, linked and configured build of a plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::plugin::lookup::Lookup;
use crate::plugin::{Fault, Generation, Identity, Permissions, Plugin, PluginError, Record, Tables};

use super::config::PluginLimits;
use super::engine::PluginEngine;
use super::fault;
use super::guest::{Linked, Problem};
use super::instance::{Instance, StartError};
use super::log::{GuestLog, printable};
use super::metrics::GuestMetrics;
use super::runner::LanePlugin;
use super::usage::Usage;

/// Problems of a configuration that one error lists.
const PROBLEMS: usize = 20;

/// Bytes of one problem that an error shows.
const LONGEST_PROBLEM: usize = 400;

/// What every instance of one build shares.
pub(super) struct Loaded {
    pub(super) engine: Arc<PluginEngine>,
    pub(super) linked: Linked,
    pub(super) identity: Arc<Identity>,
    /// What it imports.
    pub(super) permissions: Permissions,
    pub(super) limits: PluginLimits,
    /// The tables that it may read.
    pub(super) lookups: Vec<Arc<Lookup>>,
    /// Shared by all builds of the plugin.
    pub(super) metrics: Arc<GuestMetrics>,
    /// Shared by all instances.
    pub(super) log: Arc<GuestLog>,
    /// What became of the events of all instances.
    pub(super) record: Arc<Record>,
    /// The most that an instance used.
    pub(super) usage: Usage,
    /// Whether the operator was told that the plugin needs most of its memory.
    pub(super) has_told_of_memory: AtomicBool,
    /// The plugin's configuration as JSON.
    pub(super) config: String,
}

impl Loaded {
    /// Tells the operator once that an instance holds `used` bytes, most of what it may.
    pub(super) fn tell_of_memory(&self, used: usize) {
        if !self.has_told_of_memory.swap(true, Ordering::Relaxed) {
            let Identity { name, version, .. } = &*self.identity;
            let (used, limit) = (used >> 10, self.limits.memory >> 10);
            tracing::warn!(
                plugin = name,
                version,
                digest = self.identity.short_digest(),
                "P116: the plugin holds {used} KiB of memory where {limit} KiB are allowed: its instances start over \
                 before they fail"
            );
        }
    }

    /// The newest version of each table that it may read.
    pub(super) fn tables(&self) -> Tables {
        Tables::of(self.lookups.iter().map(|it| (it.name().into(), it.table())).collect())
    }

    /// A configured instance.
    pub(super) fn instance(&self) -> Result<Instance, StartError> {
        Instance::new(self).map_err(StartError::Instantiate)?.configure(self)
    }
}

/// A build that passed every step of loading.
pub(super) struct LoadedGeneration(pub(super) Arc<Loaded>);

impl Generation for LoadedGeneration {
    fn identity(&self) -> &Identity {
        &self.0.identity
    }

    fn permissions(&self) -> Permissions {
        self.0.permissions.clone()
    }

    fn record(&self) -> Arc<Record> {
        Arc::clone(&self.0.record)
    }

    fn instantiate(&self) -> Result<Box<dyn Plugin>, PluginError> {
        let instance = self.0.instance().map_err(|error| {
            let Fault { code, detail } = error.into_fault();
            PluginError {
                code,
                plugin: self.0.identity.name.clone(),
                what: detail,
                remedy: "the build passed this step when it was loaded: see whether the machine is out of \
                         memory, or the plugin depends on more than its configuration"
                    .to_owned(),
            }
        })?;
        Ok(Box::new(LanePlugin::new(Arc::clone(&self.0), instance)))
    }
}

impl StartError {
    /// This error as what it is once the build has been loaded: a fault.
    pub(super) fn into_fault(self) -> Fault {
        let detail = match self {
            Self::Instantiate(fault) => format!("no instance could be made: {}", fault.detail),
            Self::Configure(fault) => format!("configuring a new instance failed: {}", fault.detail),
            Self::Refused(problems) => {
                format!("a new instance refused its configuration: {}", listed(&problems))
            }
        };
        Fault { code: fault::INSTANCE, detail }
    }
}

/// The problems in one line.
pub(super) fn listed(problems: &[Problem]) -> String {
    let mut lines: Vec<_> = problems
        .iter()
        .take(PROBLEMS)
        .map(|it| {
            let path = if it.path.is_empty() { "the whole" } else { it.path.as_str() };
            printable(&format!("{path}: {}", it.message), LONGEST_PROBLEM)
        })
        .collect();
    if problems.len() > PROBLEMS {
        lines.push(format!("and {} more", problems.len() - PROBLEMS));
    }
    lines.join("; ")
}
