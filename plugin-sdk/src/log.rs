//! Lines for the relay's log; each carries the plugin's name and digest. Natively they go to stderr.
//!
//! `log::info("ready")`, or with values: `log::warn(format_args!("{} rules never match", count))`. The relay
//! cuts long lines and drops those beyond its limit per second. Never log values of a payload.
//!
//! ```
//! use relay_plugin_sdk::log;
//!
//! let unused = 3;
//! log::warn(format_args!("{unused} rules never match"));
//! ```

use std::fmt::Display;

/// For following a plugin step by step.
pub fn trace(line: impl Display) {
    write(Level::Trace, &line);
}

/// For its author.
pub fn debug(line: impl Display) {
    write(Level::Debug, &line);
}

/// For its operator, in normal times.
pub fn info(line: impl Display) {
    write(Level::Info, &line);
}

/// For its operator, who should look at it some time.
pub fn warn(line: impl Display) {
    write(Level::Warn, &line);
}

/// For its operator, who should look at it now.
pub fn error(line: impl Display) {
    write(Level::Error, &line);
}

pub(crate) use crate::bindings::relay::plugin::log::Level;

#[cfg(target_arch = "wasm32")]
pub(crate) fn write(level: Level, line: &dyn Display) {
    crate::bindings::relay::plugin::log::write(level, &line.to_string());
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn write(level: Level, line: &dyn Display) {
    eprintln!("{level:?}: {line}");
}
