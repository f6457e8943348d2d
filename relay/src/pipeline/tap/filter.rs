//! Which of all that happens somebody wants to see.

use relay_engine::event::Event;
use serde::{Deserialize, Serialize};

use crate::store::LaneId;

/// What may be seen of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It came out of the outbox.
    Read,
    /// A plugin ran: what it saw, and what it made of it.
    Plugin,
    /// It ended before it had a message for this sink, and why.
    NotSent,
    /// A message was handed to the sink.
    Sent,
    /// The sink's answer to it.
    Answer,
}

/// Which of all that happens somebody wants to see; an empty list stands for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Pipelines by name.
    pub pipelines: Vec<String>,
    /// Sinks by name.
    pub sinks: Vec<String>,
    /// Aggregate ids.
    pub keys: Vec<String>,
    /// Types of events.
    pub types: Vec<String>,
    /// Ids of events.
    pub events: Vec<String>,
    /// Plugins by name: with any, of [`Kind::Plugin`] only theirs are shown, and of the other kinds only those that
    /// [`Filter::kinds`] names.
    pub plugins: Vec<String>,
    /// What is shown.
    pub kinds: Vec<Kind>,
}

impl Filter {
    pub(super) fn takes_lane(&self, lane: &LaneId) -> bool {
        allows(&self.pipelines, &lane.pipeline) && allows(&self.sinks, &lane.sink)
    }

    pub(super) fn takes_kind(&self, kind: Kind) -> bool {
        if self.kinds.is_empty() {
            self.plugins.is_empty() || kind == Kind::Plugin
        } else {
            self.kinds.contains(&kind)
        }
    }

    pub(super) fn takes_plugin(&self, name: &str) -> bool {
        self.takes_kind(Kind::Plugin) && allows(&self.plugins, name)
    }

    /// Whether it is about this event, as it was read from the outbox.
    pub(super) fn takes_event(&self, event: Event<'_>) -> bool {
        allows(&self.keys, event.aggregate_id())
            && allows(&self.types, event.event_type())
            && allows(&self.events, event.id())
    }
}

fn allows(list: &[String], value: &str) -> bool {
    list.is_empty() || list.iter().any(|it| it == value)
}
