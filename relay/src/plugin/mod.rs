//! Plugins: what turns events into messages.

pub mod bench;
pub mod build;
pub mod golden;
pub mod history;
pub mod host;
pub mod inspect;
pub mod lookup;
mod permissions;
mod port;
mod record;
pub mod reload;
pub mod shadow;
mod tables;
pub mod template;

pub use permissions::{ALL, PERMISSIONS, Permissions, can_be_accepted};
pub use port::{Answer, Fault, Generation, Identity, LiveGeneration, Plugin, PluginError, PluginErrors};
pub use record::{Record, Tally};
pub use tables::{Table, Tables, Unfit, WrittenTables};
