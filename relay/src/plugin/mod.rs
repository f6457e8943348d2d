//! Plugins: what turns events into messages.

pub mod build;
pub mod host;
pub mod inspect;
mod port;
pub mod reload;

pub use port::{Answer, Fault, Generation, Identity, LiveGeneration, Plugin, PluginError, PluginErrors};
