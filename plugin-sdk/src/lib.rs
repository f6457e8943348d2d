//! Write plugins for the outbox relay in Rust.
//!
//! A plugin is asked about each event that leaves an outbox and answers with messages, or with why there are
//! none. It sees no files, no network and no environment: what it needs comes with its configuration.
//!
//! ```
//! use relay_plugin_sdk::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     topic: String,
//! }
//!
//! /// Sends each event to one topic, keyed as it came.
//! struct OneTopic(Config);
//!
//! impl Plugin for OneTopic {
//!     type Config = Config;
//!
//!     fn new(config: Config) -> Result<Self, Problem> {
//!         Ok(Self(config))
//!     }
//!
//!     fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
//!         Ok(Message::kafka(&self.0.topic).key(event.key()).into())
//!     }
//! }
//!
//! export!(OneTopic);
//! # fn main() {}
//! ```
//!
//! The crate is a `cdylib` (and an `rlib`, so that `cargo test` runs it natively through [`testing`]), depends
//! on this crate and on `serde`, and `relay plugin build` makes the component.

#![deny(missing_docs)]

mod config;
mod event;
mod export;
mod fault;
mod message;
mod plugin;
mod target;
mod verdict;

#[doc(hidden)]
pub mod bindings;
pub mod clock;
pub mod json;
pub mod log;
pub mod lookup;
pub mod metrics;
pub mod testing;

pub use config::Problem;
pub use event::{Event, Key};
pub use fault::Fault;
pub use message::{Content, Message};
pub use plugin::Plugin;
pub use target::{Http, Kafka, Nats, Other, Target};
pub use verdict::{Verdict, discard};

pub use schemars;
pub use serde_json;

/// What a plugin needs in scope.
pub mod prelude {
    pub use crate::{Event, Fault, Message, Plugin, Problem, Verdict, discard, export, log, lookup, metrics};
    // The derive of `JsonSchema` names the crate `schemars`; with it in scope a plugin need not depend on it.
    pub use schemars::{self, JsonSchema};
    pub use serde::{Deserialize, Serialize};
}

#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::export::{Package, Running};
}
