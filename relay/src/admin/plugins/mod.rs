//! `/plugins/NAME/…`: how operators speak to a running relay about its plugins.
//!
//! The one part of the admin server that changes something, so it answers clients on its own machine alone, and no
//! browser. What is asked for goes through a channel to whoever owns the plugins; this module knows no plugin.

mod client;
mod service;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

pub use client::{AskError, ask};
pub(super) use service::routes;

/// Requests that may wait: operators are few.
const WAITING: usize = 16;

/// What an operator asks about one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginAsk {
    /// To read its configuration and its file again, also where it was refused.
    Reload {
        /// Whether the build may use more than the one that runs.
        accept: bool,
    },
    /// To go back to an earlier build.
    RollBack {
        /// The beginning of its digest; `None`: the one before.
        to: Option<String>,
    },
    /// For the builds that are known.
    History,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginReply {
    /// It is done, and this came of it.
    Done(Value),
    /// No such plugin runs; what does, in words.
    Unknown(String),
    /// It was refused, and nothing was changed.
    Refused {
        /// The stable code.
        code: String,
        /// Why.
        what: String,
        /// What to do.
        remedy: String,
    },
}

/// A request on its way to whoever owns the plugins.
#[derive(Debug)]
pub struct PluginRequest {
    /// The plugin's name.
    pub plugin: String,
    /// What is asked.
    pub ask: PluginAsk,
    /// Where the answer goes; without one, the relay is stopping.
    pub answer: oneshot::Sender<PluginReply>,
}

/// The side of the admin server.
pub type PluginRequests = mpsc::Sender<PluginRequest>;

/// A way from the admin server to whoever owns the plugins.
#[must_use]
pub fn plugin_requests() -> (PluginRequests, mpsc::Receiver<PluginRequest>) {
    mpsc::channel(WAITING)
}
