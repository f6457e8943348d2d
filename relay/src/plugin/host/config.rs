//! Settings of a plugin.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of one plugin, already validated.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// The name in the configuration.
    pub name: String,
    /// The component file; a new build put in its place is loaded while the relay runs.
    pub component: PathBuf,
    /// The plugin's own configuration.
    pub config: serde_json::Value,
    /// What it may use.
    pub limits: PluginLimits,
}

/// What one plugin may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// Bytes of linear memory and tables, summed over the instance.
    pub memory: usize,
    /// CPU time of one event; a batch has this once per event, up to `batch_time`.
    pub time: Duration,
    /// CPU time of one batch.
    pub batch_time: Duration,
    /// Messages one event may make.
    pub messages: usize,
    /// Bytes of keys, bodies and headers one event may make.
    pub output: usize,
    /// Log lines per batch.
    pub log_lines: usize,
    /// Bytes of one log line.
    pub log_line: usize,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            time: Duration::from_millis(20),
            batch_time: Duration::from_secs(1),
            messages: 64,
            output: 4 << 20,
            log_lines: 100,
            log_line: 4 << 10,
        }
    }
}
