//! Figures that the relay shows at `/metrics`, each with the prefix `plugin_` and the plugin's name as a label.
//!
//! ```
//! use relay_plugin_sdk::metrics;
//!
//! metrics::counter("orders_total").add(1);
//! metrics::counter("orders_total").label("tier", "gold").add(1);
//! metrics::gauge("rules").set(12.0);
//! metrics::histogram("items_per_order").record(3.0);
//! ```
//!
//! What a call counts is shown once the relay took its answers: a run that fails counts nothing, and an event that is
//! tried again counts again. Names are of `a-z`, `A-Z`, `0-9` and `_`, and the operator limits how many series there
//! are: what is over a limit is left out and told in the log. Never put values of a payload into a label: each makes a
//! series. Natively, in tests, [`Harness::counted`](crate::testing::Harness::counted) gives the sums of counters.

use std::borrow::Cow;

type Labels = Vec<(String, String)>;

/// A figure that only grows; its name ends in `_total`.
pub fn counter<'n>(name: impl Into<Cow<'n, str>>) -> Counter<'n> {
    Counter(Series { name: name.into(), labels: Vec::new() })
}

/// A figure that rises and falls.
pub fn gauge<'n>(name: impl Into<Cow<'n, str>>) -> Gauge<'n> {
    Gauge(Series { name: name.into(), labels: Vec::new() })
}

/// A figure whose values are spread: sizes, numbers of parts.
pub fn histogram<'n>(name: impl Into<Cow<'n, str>>) -> Histogram<'n> {
    Histogram(Series { name: name.into(), labels: Vec::new() })
}

#[derive(Debug, Clone)]
struct Series<'n> {
    name: Cow<'n, str>,
    labels: Labels,
}

impl Series<'_> {
    fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// See [`counter`].
#[derive(Debug, Clone)]
#[must_use = "nothing is counted before `add`"]
pub struct Counter<'n>(Series<'n>);

impl Counter<'_> {
    /// With this label too.
    pub fn label(self, name: &str, value: &str) -> Self {
        Self(self.0.label(name, value))
    }

    /// Counts so many more.
    pub fn add(&self, delta: u64) {
        #[cfg(target_arch = "wasm32")]
        crate::bindings::relay::plugin::metrics::add_counter(&self.0.name, delta, &self.0.labels);
        #[cfg(not(target_arch = "wasm32"))]
        native::add(&self.0.name, delta);
    }
}

/// See [`gauge`].
#[derive(Debug, Clone)]
#[must_use = "nothing is shown before `set`"]
pub struct Gauge<'n>(Series<'n>);

impl Gauge<'_> {
    /// With this label too.
    pub fn label(self, name: &str, value: &str) -> Self {
        Self(self.0.label(name, value))
    }

    /// What it is from now on.
    pub fn set(&self, value: f64) {
        #[cfg(target_arch = "wasm32")]
        crate::bindings::relay::plugin::metrics::set_gauge(&self.0.name, value, &self.0.labels);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = value;
    }
}

/// See [`histogram`].
#[derive(Debug, Clone)]
#[must_use = "nothing is recorded before `record`"]
pub struct Histogram<'n>(Series<'n>);

impl Histogram<'_> {
    /// With this label too.
    pub fn label(self, name: &str, value: &str) -> Self {
        Self(self.0.label(name, value))
    }

    /// One more value.
    pub fn record(&self, value: f64) {
        #[cfg(target_arch = "wasm32")]
        crate::bindings::relay::plugin::metrics::record_histogram(&self.0.name, value, &self.0.labels);
        #[cfg(not(target_arch = "wasm32"))]
        let _ = value;
    }
}

/// Counters for tests.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod native {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        static COUNTED: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn add(name: &str, delta: u64) {
        COUNTED.with_borrow_mut(|all| {
            let sum = all.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(delta);
        });
    }

    /// What `work` returns, and what it counted.
    pub(crate) fn counting<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<String, u64>) {
        let before = COUNTED.take();
        let done = work();
        (done, COUNTED.replace(before))
    }
}
