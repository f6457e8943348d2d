//! What the relay needs of a plugin.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use relay_engine::event::EventBatch;
use relay_engine::verdict::Verdict;

use super::permissions::Permissions;
use super::record::Record;
use super::tables::Tables;

/// One instance of a plugin, owned by one lane.
///
/// Runs on the lane's own thread and may take it up to the plugin's time limit per event. Whatever happens in
/// the guest, it answers: a fault stays with the event that caused it.
pub trait Plugin: Send {
    /// Runs the plugin over `events` and appends exactly one answer per event to `answers`, in order.
    fn run(&mut self, source: &str, events: &Arc<EventBatch>, answers: &mut Vec<Answer>);

    /// Shows the guest this time, in microseconds since the Unix epoch, instead of the real one: for cases that must
    /// come out the same every day.
    fn freeze_clock(&mut self, _now: u64) {}

    /// Shows nobody what the guest counts from now on: for cases, and for a second build on events that count already.
    fn mute(&mut self) {}

    /// Has the guest read these lookup tables instead of those that are granted to it: for cases, which bring their own,
    /// and for a second build that has to see what the first one saw.
    fn freeze_tables(&mut self, _tables: Tables) {}

    /// The newest version of the lookup tables that are granted to the guest.
    fn tables(&self) -> Tables {
        Tables::default()
    }

    /// Bytes of memory and tables that its instance holds; `None` where there is none, or it can't be told.
    fn memory(&self) -> Option<usize> {
        None
    }

    /// Until when it answers [`Answer::Failing`] without running, if it does.
    fn rests_until(&self) -> Option<Instant> {
        None
    }
}

/// The real time as guests and histories count it, in microseconds since the Unix epoch. A clock before 1970 shows 1970:
/// no plugin can do better with it.
pub(in crate::plugin) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// What a plugin, or the host in its place, says about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The plugin's verdict.
    Verdict(Verdict),
    /// The plugin failed on this event, also when it ran alone on a fresh instance.
    Fault(Fault),
    /// The plugin fails on nearly every event and was not asked about this one: nothing is known of it, and it
    /// has to wait. The last fault.
    Failing(Fault),
}

/// A bug of a plugin, met in one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable code, `P1xx`.
    pub code: &'static str,
    /// What happened, with the guest's backtrace where there is one.
    pub detail: String,
}

/// One loaded, linked and configured build of a plugin: makes instances for lanes.
pub trait Generation: Send + Sync {
    /// Which build it is.
    fn identity(&self) -> &Identity;

    /// What it may use of the relay.
    fn permissions(&self) -> Permissions;

    /// What became of the events that its instances were asked about.
    fn record(&self) -> Arc<Record>;

    /// A fresh instance.
    ///
    /// # Errors
    /// When the instance can't be made; the build passed the same steps when it was loaded.
    fn instantiate(&self) -> Result<Box<dyn Plugin>, PluginError>;
}

/// Which plugin build runs: recorded beside the cursor and in every dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The plugin's name in the configuration.
    pub name: String,
    /// The version it gives itself.
    pub version: String,
    /// SHA-256 of component and configuration, in hexadecimal.
    pub digest: String,
}

impl Identity {
    /// The first six digits of the digest: what screens show.
    #[must_use]
    pub fn short_digest(&self) -> &str {
        self.digest.get(..6).unwrap_or(&self.digest)
    }
}

/// A plugin whose newest good generation may change while the relay runs.
pub type LiveGeneration = tokio::sync::watch::Receiver<Arc<dyn Generation>>;

/// Why a component can't serve.
#[derive(Debug, thiserror::Error)]
#[error("{code}: plugin {plugin:?}: {what}; {remedy}")]
pub struct PluginError {
    /// Stable code, `P1xx`.
    pub code: &'static str,
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// What is wrong and where.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Every plugin that can't serve, so that an operator corrects all in one go.
#[derive(Debug)]
pub struct PluginErrors(pub Vec<PluginError>);

impl fmt::Display for PluginErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fmt::Display::fmt(error, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PluginErrors {}
