//! Plugins: what turns events into messages.

pub mod build;
pub mod host;
mod port;
mod record;
pub mod reload;

pub use port::{Answer, Fault, Generation, Identity, LiveGeneration, Plugin, PluginError, PluginErrors};
pub use record::{Record, Tally};
