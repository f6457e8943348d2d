//! What was measured, for people and for programs.

use std::fmt;

use serde::Serialize;

/// Everything measured in one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) stages: Vec<Stage>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) moments: Vec<Moment>,
}

/// One drain, of the relay or of a bare client.
#[derive(Debug, Serialize)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) round: u32,
    /// Events within `seconds`.
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    pub(crate) processor_seconds_per_million: f64,
    /// Of the relay alone: the bare clients share one process.
    pub(crate) peak_memory_mib: Option<f64>,
}

/// From commit to append.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) name: &'static str,
    pub(crate) round: u32,
    pub(crate) events: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Of the relay, where there is one.
    pub(crate) processor_cores: Option<f64>,
}

/// A start of the relay, or a swap of its plugin.
#[derive(Debug, Serialize)]
pub(crate) struct Moment {
    pub(crate) name: &'static str,
    pub(crate) round: u32,
    /// What the relay itself took for a swap, from the moment the file was stable.
    pub(crate) step_ms: Option<f64>,
    /// From the start, or from the new file's appearance, to the delivery of an event.
    pub(crate) whole_ms: f64,
}

impl Report {
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.stages.is_empty() {
            writeln!(
                f,
                "{:<34} {:>5} {:>12} {:>14} {:>10}",
                "stage", "round", "events/s", "CPU s/million", "peak RSS"
            )?;
        }
        for stage in &self.stages {
            let rate = stage.events as f64 / stage.seconds.max(f64::EPSILON);
            let memory = stage.peak_memory_mib.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} MiB"));
            let (name, round, processor) = (&stage.name, stage.round, stage.processor_seconds_per_million);
            writeln!(f, "{name:<34} {round:>5} {rate:>12.0} {processor:>14.2} {memory:>10}")?;
        }
        if !self.latency.is_empty() {
            writeln!(
                f,
                "{:<34} {:>5} {:>8} {:>8} {:>8} {:>8}",
                "commit to append, ms", "round", "p50", "p99", "max", "cores"
            )?;
        }
        for latency in &self.latency {
            let Latency { name, round, p50_ms, p99_ms, max_ms, .. } = latency;
            let cores = latency.processor_cores.map_or_else(|| "-".to_owned(), |it| format!("{it:.2}"));
            writeln!(f, "{name:<34} {round:>5} {p50_ms:>8.2} {p99_ms:>8.2} {max_ms:>8.1} {cores:>8}")?;
        }
        if !self.moments.is_empty() {
            writeln!(f, "{:<34} {:>5} {:>12} {:>12}", "ms", "round", "stable-swap", "to delivery")?;
        }
        for Moment { name, round, step_ms, whole_ms } in &self.moments {
            let step = step_ms.map_or_else(|| "-".to_owned(), |it| format!("{it:.1}"));
            writeln!(f, "{name:<34} {round:>5} {step:>12} {whole_ms:>12.1}")?;
        }
        Ok(())
    }
}
