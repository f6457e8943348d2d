//! The wasmtime engine, with the settings that were measured to be right for small calls in large numbers.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    RegallocAlgorithm, Strategy, WasmBacktraceDetails,
};

use super::config::CompileOptions;
use super::ticker::{Running, Ticker};

/// Instances alive at once over all lanes and plugins. A slot costs address space only, until it is used.
const INSTANCES: u32 = 1_000;

/// Core modules, memories and tables in one component: a Rust plugin has two or three modules, and the larger
/// language runtimes about ten.
const PARTS_PER_COMPONENT: u32 = 20;

/// Elements of one table: one per function that is called through a pointer. The largest language runtimes have
/// some ten thousand of them.
const TABLE_ELEMENTS: usize = 65_536;

/// Bytes of a slot that stay resident for its next instance: about the memory of a Rust plugin, so that a
/// fresh instance does not fault its pages in again.
const KEEP_RESIDENT: usize = 1 << 20;

/// Slots that stay resident while unused.
const WARM_SLOTS: u32 = 16;

/// Whether faults name places in the source of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sources {
    /// No: what a component says of its sources is not even looked at.
    Hidden,
    /// Where the component has line tables. They are a stranger's data that is read when it faults, beside the lane's
    /// work: for the component's own author only.
    Shown,
}

impl Sources {
    pub(super) fn shown_if(shown: bool) -> Self {
        if shown { Self::Shown } else { Self::Hidden }
    }
}

/// An engine and the thread that moves its epoch.
#[derive(Debug)]
pub(super) struct PluginEngine {
    wasmtime: Engine,
    ticker: Ticker,
}

impl PluginEngine {
    /// Starts the engine; where the kernel refuses the address space of the instance pool, instances are
    /// allocated on demand, which is slower to make but runs the same.
    pub(super) fn start(sources: Sources) -> wasmtime::Result<Self> {
        let wasmtime = Self::idle(sources, |_| {})?;
        let ticker = Ticker::start(wasmtime.clone())?;
        Ok(Self { wasmtime, ticker })
    }

    /// The same engine without its thread: it compiles, and runs nothing.
    pub(super) fn compiling(options: CompileOptions, all_cores: bool) -> wasmtime::Result<Engine> {
        Self::idle(Sources::shown_if(options.source_lines), |config| {
            config.parallel_compilation(all_cores);
        })
    }

    fn idle(sources: Sources, more: impl Fn(&mut Config)) -> wasmtime::Result<Engine> {
        let engine = |mut config: Config| {
            more(&mut config);
            Engine::new(&config)
        };
        engine(pooled(sources)).or_else(|error| {
            tracing::info!(%error, "no pool of plugin instances: they are allocated on demand");
            engine(base(sources))
        })
    }

    pub(super) fn wasmtime(&self) -> &Engine {
        &self.wasmtime
    }

    /// Keeps time limits working until the answer is dropped; hold it around every call into a guest.
    pub(super) fn running(&self) -> Running<'_> {
        self.ticker.running()
    }
}

fn base(sources: Sources) -> Config {
    let mut config = Config::new();
    // Said either way: by default the environment would decide, which a compiling process does not have.
    config.wasm_backtrace_details(match sources {
        Sources::Hidden => WasmBacktraceDetails::Disable,
        Sources::Shown => WasmBacktraceDetails::Enable,
    });
    if sources == Sources::Shown {
        // An author waits for the machine code, and nobody for what it does: Winch makes it in a quarter of the time that
        // Cranelift takes without optimising, and it takes two to three times as long to run.
        if cfg!(target_arch = "x86_64") {
            config.strategy(Strategy::Winch);
        } else {
            config.cranelift_opt_level(OptLevel::None);
            config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        }
    }
    // Calls are synchronous, and without it a call costs a third.
    config.concurrency_support(false);
    // Epochs cost less than fuel, and time is what operators limit.
    config.epoch_interruption(true);
    config
}

fn pooled(sources: Sources) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    let parts = INSTANCES * PARTS_PER_COMPONENT;
    pool.total_component_instances(INSTANCES)
        .total_core_instances(parts)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * 4)
        .max_core_instances_per_component(PARTS_PER_COMPONENT)
        .max_memories_per_component(PARTS_PER_COMPONENT)
        .max_tables_per_component(PARTS_PER_COMPONENT)
        .max_memories_per_module(PARTS_PER_COMPONENT)
        .max_tables_per_module(PARTS_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(WARM_SLOTS);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(KEEP_RESIDENT);
    }
    let mut config = base(sources);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
