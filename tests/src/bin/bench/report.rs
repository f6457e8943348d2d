//! What was measured, for people and for programs.

use std::fmt;

use serde::Serialize;

/// Everything measured in one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) stages: Vec<Stage>,
    pub(crate) latency: Option<Latency>,
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
    pub(crate) events: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Of the relay.
    pub(crate) processor_cores: f64,
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
        if let Some(latency) = &self.latency {
            let Latency { events, p50_ms, p99_ms, max_ms, processor_cores } = latency;
            writeln!(
                f,
                "commit to append, {events} events: p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, max {max_ms:.1} ms"
            )?;
            writeln!(f, "processor of the relay: {processor_cores:.2} cores")?;
        }
        Ok(())
    }
}
