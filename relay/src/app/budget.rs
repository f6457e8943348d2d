//! How much memory a configuration may come to take, and how much there is.

use std::fmt;
use std::path::Path;

use crate::config::{Config, PipelineConfig, SourceAdapter};
use crate::plugin::lookup::LookupConfig;

/// The program, its clients and its shared threads, before any lane runs; measured, with room.
const BASE: u64 = 32 << 20;

/// What the window and the batches keep of an event beside its bytes: its entry, its message, its delivery; measured,
/// with room.
const PER_EVENT: u64 = 1 << 10;

/// What is kept of a key that holds events; measured.
const PER_HELD_KEY: u64 = 52;

/// One batch is in the reader's hand, one waits for the lane, and one may overshoot the window.
const BATCHES: u64 = 3;

/// A payload that is as large as it may be stands in the database's answer, in its batch and in what a plugin made.
const COPIES_OF_A_GIANT: u64 = 3;

/// The most that a relay takes, in bytes: every window full, every plugin at its limit, every key held. A relay at work
/// takes a fraction of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Windows, what is read ahead, and what sinks keep of them.
    pub lanes: u64,
    /// The largest events that the sources let in, one a lane.
    pub payloads: u64,
    /// Instances of plugins, one a lane.
    pub plugins: u64,
    /// Lookup tables, each in the two versions that there are while it is read again.
    pub lookups: u64,
    /// Keys of parked events and dead letters, as many as the lanes may hold.
    pub held: u64,
}

impl MemoryBudget {
    /// What `config` may come to take.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut budget = Self { lanes: 0, payloads: 0, plugins: 0, lookups: 0, held: 0 };
        let mut tables: Vec<&LookupConfig> = Vec::new();
        for pipeline in config.pipelines.values() {
            let lanes = pipeline.sinks.len() as u64 * u64::from(pipeline.shards);
            budget.lanes += lanes * lane(pipeline);
            budget.held += lanes * (pipeline.held.parked + pipeline.held.dead) as u64 * PER_HELD_KEY;
            let plugins = pipeline.plugins.iter().filter_map(|name| config.plugins.get(name));
            budget.plugins += lanes * plugins.clone().map(|it| it.plugin.limits.memory as u64).sum::<u64>();
            for table in plugins.clone().flat_map(|it| &it.plugin.lookups) {
                if !tables.contains(&table) {
                    tables.push(table);
                }
            }
            let source = config.sources.get(&pipeline.source);
            let largest = source.map_or(0, |source| max_payload(&source.adapter) as u64);
            budget.payloads += lanes * largest * COPIES_OF_A_GIANT;
        }
        budget.lookups = tables.iter().map(|it| 2 * it.max as u64).sum();
        budget
    }

    /// All of it.
    #[must_use]
    pub fn total(self) -> u64 {
        BASE + self.lanes + self.payloads + self.plugins + self.lookups + self.held
    }
}

impl fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lanes, payloads, plugins, lookups, held } = *self;
        write!(f, "at most {} (", Mebibytes(self.total()))?;
        write!(f, "the program {}, windows {}, ", Mebibytes(BASE), Mebibytes(lanes))?;
        write!(f, "largest payloads {}, plugins {}, ", Mebibytes(payloads), Mebibytes(plugins))?;
        if lookups > 0 {
            write!(f, "lookup tables {}, ", Mebibytes(lookups))?;
        }
        write!(f, "held keys {})", Mebibytes(held))
    }
}

/// Bytes, rounded up.
struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0.div_ceil(1 << 20))
    }
}

/// A sink keeps a copy of what it was handed until the answer is there.
fn lane(pipeline: &PipelineConfig) -> u64 {
    let batch = super::lanes::batch(pipeline);
    let bytes = 2 * pipeline.window.bytes as u64 + BATCHES * batch.bytes as u64;
    let events = pipeline.window.events as u64 + BATCHES * batch.events as u64;
    bytes + events * PER_EVENT
}

fn max_payload(source: &SourceAdapter) -> usize {
    match source {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => config.max_payload,
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => config.max_payload,
    }
}

/// Where Linux says how much memory this process may take, the narrowest first.
const LIMITS: &[&str] = &["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
const MACHINE: &str = "/proc/meminfo";

/// Says what the relay may take, and warns where there is not as much.
pub(super) fn tell(config: &Config) {
    let budget = MemoryBudget::of(config);
    tracing::info!("memory: {budget}");
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    if let Some(available) = available(read).filter(|available| *available < budget.total()) {
        tracing::warn!(
            code = "C049",
            "the relay may take {} and has {}",
            Mebibytes(budget.total()),
            Mebibytes(available)
        );
    }
}

/// Bytes this process may take: the limit of its group, or the machine's memory.
fn available(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let machine = read(MACHINE).and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    });
    let limits = LIMITS.iter().filter_map(|path| read(path)?.trim().parse::<u64>().ok());
    limits.chain(machine).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_is_the_narrowest_limit_that_is_said() {
        let machine = "MemTotal:       16384 kB\nMemFree: 1 kB\n";
        let files = |limit: &'static str| {
            move |path: &str| match path {
                MACHINE => Some(machine.to_owned()),
                "/sys/fs/cgroup/memory.max" => Some(limit.to_owned()),
                _ => None,
            }
        };
        assert_eq!(available(files("max\n")), Some(16 << 20));
        assert_eq!(available(files("1048576\n")), Some(1 << 20));
        // Version 1 writes a huge number for none.
        assert_eq!(available(files("9223372036854771712\n")), Some(16 << 20));
        assert_eq!(available(|_| None), None);
    }
}
