//! What `relay dev` has to tell.

use std::path::PathBuf;
use std::time::Duration;

use crate::plugin::golden::{CaseResult, EventRow, Outcome};

/// Something that an author wants to see.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It works; what is watched.
    Watching {
        /// Name and folder of each plugin.
        plugins: Vec<(String, PathBuf)>,
        /// The outbox that is read.
        outbox: String,
        /// How many recorded events go through each build.
        last: usize,
    },
    /// A line of cargo in a build that takes longer than one after a save.
    Progress(String),
    /// The first build of a plugin, and what becomes of the recorded events.
    Started {
        /// The plugin.
        plugin: String,
        /// Which build.
        digest: String,
        /// Each event with what became of it.
        fates: Vec<Fate>,
        /// Its golden cases.
        cases: Vec<CaseResult>,
    },
    /// A source was saved.
    Saved {
        /// The plugin.
        plugin: String,
        /// The newest file of it.
        file: PathBuf,
    },
    /// It compiled, and nothing differs.
    Unchanged {
        /// The plugin.
        plugin: String,
    },
    /// A new build, what becomes of the recorded events with it, and of the golden cases.
    Built {
        /// The plugin.
        plugin: String,
        /// The build before.
        from: String,
        /// This one.
        to: String,
        /// From the save to the component.
        took: Duration,
        /// Events that went through both.
        compared: usize,
        /// Those that came out differently.
        differing: Vec<Differing>,
        /// Its golden cases.
        cases: Vec<CaseResult>,
    },
    /// The running relay took a new build.
    Live(Live),
    /// It does not compile, or can't serve; the running build goes on, or the next save is waited for.
    Failed {
        /// The plugin.
        plugin: String,
        /// The build that goes on; `None` where there is none yet.
        running: Option<String>,
        /// The code of what is wrong.
        code: &'static str,
        /// What is wrong, in the compiler's or the host's own words.
        words: String,
    },
    /// An event got no answer, and the others went on. Once per build and cause.
    Unanswered {
        /// The event, the first of them.
        event: String,
        /// The code of what happened.
        code: String,
        /// The plugin that failed and its build, `hello 0.1.0 (88fe10)`, if one did.
        plugin: Option<String>,
        /// What happened, with the place in the plugin's source where that is known.
        words: String,
        /// Whether the event is a dead letter; otherwise it is tried again.
        is_dead: bool,
    },
    /// A line that a plugin logged, or that the relay wants to be seen. Each once per build.
    Relay {
        /// `info`, `warn`, `error`.
        level: String,
        /// Who says it: a plugin, or a lane.
        who: String,
        /// What.
        words: String,
    },
}

/// One event and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The event.
    pub event: EventRow,
    /// What the plugin answered.
    pub outcome: Outcome,
    /// What happened where it failed.
    pub detail: Option<String>,
}

/// One event that comes out differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// What became of it with the build before.
    pub before: Outcome,
    /// What becomes of it now.
    pub after: Fate,
}

/// A swap that the running relay made.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// The plugin.
    pub plugin: String,
    /// The build that runs now.
    pub to: String,
    /// Where the time went.
    pub parts: Parts,
    /// The longest that an event waited from its commit to its message, since the last swap; `None` where this command
    /// does not write the events.
    pub longest_wait: Option<Duration>,
}

/// Where the time from a save to the first message of the new build went, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// Noticing the save, cargo, and the component.
    pub build: Duration,
    /// Its machine code.
    pub compile: Duration,
    /// The running relay noticed the component, found it stable and configured it.
    pub load: Duration,
    /// A lane finished what was in flight and took it.
    pub swap: Duration,
    /// Until the first message that it made; `None` where none came.
    pub first_output: Option<Duration>,
}

impl Parts {
    /// From the save to the first message, or to the swap where none came.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.build + self.compile + self.load + self.swap + self.first_output.unwrap_or_default()
    }
}
