//! The metrics of plugins, as the relay shows them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata};

use super::call::Kind;
use crate::telemetry;

/// What the names of plugins' metrics begin with, so that none is taken for one of the relay's.
const PREFIX: &str = "plugin_";

/// One series of one plugin, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::plugin::host) struct Series {
    pub(in crate::plugin::host) name: String,
    pub(in crate::plugin::host) labels: Vec<(String, String)>,
    pub(in crate::plugin::host) kind: Kind,
}

/// What the exporter keeps of a series.
#[derive(Debug, Clone)]
pub(super) enum Handle {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// The metrics of all plugins of a host.
#[derive(Debug, Default)]
pub(in crate::plugin::host) struct MetricsRegistry {
    plugins: Mutex<HashMap<String, Arc<GuestMetrics>>>,
    kinds: Arc<Mutex<HashMap<String, Kind>>>,
}

impl MetricsRegistry {
    /// The metrics of the plugin `name`, which all of its builds share: a swap is no way around a limit.
    pub(in crate::plugin::host) fn of(&self, name: &str, most: usize) -> Arc<GuestMetrics> {
        let mut plugins = locked(&self.plugins);
        let of_plugin = plugins.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(GuestMetrics {
                plugin: name.to_owned(),
                most,
                kinds: Arc::clone(&self.kinds),
                series: Mutex::default(),
                has_told: AtomicBool::new(false),
                #[cfg(test)]
                sums: Mutex::default(),
            })
        });
        Arc::clone(of_plugin)
    }
}

/// The metrics of one plugin.
#[derive(Debug)]
pub(in crate::plugin::host) struct GuestMetrics {
    plugin: String,
    most: usize,
    /// Kinds by name, of all plugins: they are told once a name.
    kinds: Arc<Mutex<HashMap<String, Kind>>>,
    series: Mutex<HashMap<Series, Handle>>,
    has_told: AtomicBool,
    /// Tests install no exporter.
    #[cfg(test)]
    sums: Mutex<HashMap<String, u64>>,
}

impl GuestMetrics {
    /// What to update for `series`; none where the plugin has as many as it may, or the name is another kind's.
    pub(super) fn handle(&self, series: &Series) -> Result<Handle, String> {
        let mut all = locked(&self.series);
        if let Some(handle) = all.get(series) {
            return Ok(handle.clone());
        }
        if all.len() >= self.most {
            return Err(format!("it has more than {} series", self.most));
        }
        let kind = *locked(&self.kinds).entry(series.name.clone()).or_insert(series.kind);
        if kind != series.kind {
            return Err(format!("{:?} is a metric of another kind, perhaps of another plugin", series.name));
        }
        let handle = self.register(series);
        all.insert(series.clone(), handle.clone());
        Ok(handle)
    }

    #[cfg(test)]
    pub(in crate::plugin::host) fn counted(&self, name: &str) -> u64 {
        self.sums.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn note_counted(&self, name: &str, delta: u64) {
        *self.sums.lock().unwrap().entry(name.to_owned()).or_default() += delta;
    }

    fn register(&self, series: &Series) -> Handle {
        let own = series.labels.iter().map(|(name, value)| Label::new(name.clone(), value.clone()));
        let labels: Vec<_> = std::iter::once(Label::new("plugin", self.plugin.clone())).chain(own).collect();
        let key = Key::from_parts(format!("{PREFIX}{}", series.name), labels);
        let metadata = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
        metrics::with_recorder(|recorder| match series.kind {
            Kind::Counter => Handle::Counter(recorder.register_counter(&key, &metadata)),
            Kind::Gauge => Handle::Gauge(recorder.register_gauge(&key, &metadata)),
            Kind::Histogram => Handle::Histogram(recorder.register_histogram(&key, &metadata)),
        })
    }

    /// Says how many updates of a call were left out, the first time also why.
    pub(super) fn tell_refused(&self, count: u64, reason: &str) {
        metrics::counter!(telemetry::PLUGIN_METRICS_REFUSED, "plugin" => self.plugin.clone())
            .increment(count);
        if !self.has_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                code = "P142",
                plugin = self.plugin,
                "P142: metrics of the plugin are left out, this one because {reason}"
            );
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
