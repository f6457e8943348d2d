//! What operators see of running lanes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::LaneId;

/// The lanes of this process, updated by their threads.
#[derive(Debug, Clone, Default)]
pub struct Views(Arc<Mutex<BTreeMap<LaneId, LaneView>>>);

/// One lane as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneView {
    /// What it is doing.
    pub state: LaneState,
    /// Deliveries acknowledged since the process started.
    pub delivered: u64,
    /// Events between settled progress and the newest read.
    pub window: usize,
    /// Parked, blocked and blocking dead events.
    pub held: u64,
    /// Plugins in chain order, as `name short-digest`.
    pub plugins: Vec<String>,
}

/// What a lane is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneState {
    /// It connects and takes its place in the outbox.
    Starting,
    /// Events flow, or there are none.
    Running,
    /// The sink is away: why.
    Outage(String),
    /// Most events fail, so that the fault is not theirs: why. Nothing is given up meanwhile.
    Storm(String),
    /// The side table has no room for what would have to go there: why, and what helps. Nothing is lost.
    Full(String),
    /// The source or the store is away: why.
    Waiting(String),
    /// Another relay owns it: which, and its term.
    Standby(String),
    /// A plugin stopped it: why.
    Halted(String),
    /// It ended.
    Stopped,
}

impl LaneState {
    /// Whether it does what it should, so that events flow where there are any: what readiness asks.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Running | Self::Outage(_) | Self::Standby(_))
    }
}

impl fmt::Display for LaneState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Running => f.write_str("running"),
            Self::Outage(why) => write!(f, "outage: {why}; nothing is lost, nothing is spent"),
            Self::Storm(why) => write!(f, "storm: {why}; nothing is lost"),
            Self::Full(why) => write!(f, "full: {why}; nothing is lost"),
            Self::Waiting(why) => write!(f, "waiting: {why}"),
            Self::Standby(owner) => write!(f, "standby: {owner} owns it"),
            Self::Halted(why) => write!(f, "halted: {why}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl Views {
    /// What a lane is doing, in words.
    pub(super) fn words(&self, lane: &LaneId) -> String {
        let views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.get(lane).map_or(&LaneState::Starting, |view| &view.state).to_string()
    }

    /// Every lane of this process.
    #[must_use]
    pub fn all(&self) -> BTreeMap<LaneId, LaneView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, lane: &LaneId, view: LaneView) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lane.clone(), view);
    }

    pub(super) fn set_state(&self, lane: &LaneId, state: LaneState) {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match views.get_mut(lane) {
            Some(view) => view.state = state,
            None => {
                let view = LaneView { state, delivered: 0, window: 0, held: 0, plugins: Vec::new() };
                views.insert(lane.clone(), view);
            }
        }
    }
}
