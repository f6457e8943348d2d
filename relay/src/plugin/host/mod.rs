//! Runs plugins as WebAssembly components in wasmtime.

mod config;

pub use config::{PluginConfig, PluginLimits};
