//! Runs plugins as WebAssembly components in wasmtime.
//!
//! [`PluginHost::load`] turns a file into a [`Generation`](crate::plugin::Generation): it refuses whatever this
//! relay does not serve before any of the plugin's code runs, asks the plugin to describe itself and to accept
//! its configuration, and hands out one instance per lane. A call that faults leaves nothing behind: its
//! instance is dropped, and the batch runs again one event at a time.

mod backtrace;
mod batch;
mod build;
mod cache;
mod circuit;
mod compiler;
mod components;
mod config;
mod contract;
mod deadline;
mod difference;
mod engine;
mod fault;
mod generation;
mod guest;
mod instance;
mod interfaces;
mod load;
mod log;
mod lookup;
mod memory;
mod metrics;
mod native;
mod output;
mod runner;
mod state;
mod ticker;
mod usage;
mod v0_1;
mod wasi;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use build::{Build, Digest, NoDigest};
pub(in crate::plugin) use cache::Owners;
pub use compiler::{COMPILE_TIME, serve};
pub use config::{
    CACHE, COMPILE, CompileOptions, FolderConfig, HostConfig, PluginConfig, PluginLimits, STATE,
};
pub use guest::Description;
pub use interfaces::{Interface, Interfaces};
pub use load::{HostError, PluginHost};
pub use wasi::meaning;
