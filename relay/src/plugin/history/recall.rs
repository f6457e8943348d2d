//! What a relay has to know of its last run.

use crate::plugin::Permissions;
use crate::plugin::host::Digest;

use super::entry::Entry;

/// Codes of refusals that say something of the build itself or of an operator's will: another version of the relay
/// would not decide otherwise.
const LASTING: &[&str] = &["P115", "P117", "P118", "P130"];

/// Codes of refusals that say nothing of the build: the machine was short of something.
const PASSING: &[&str] = &["P111", "P112"];

/// What ran and what was refused at the end of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recalled {
    /// The build that ran.
    pub running: Option<RunningBefore>,
    /// The build that was refused last, unless that was taken back.
    pub refused: Option<RefusedBefore>,
}

/// The build that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningBefore {
    /// Which it was.
    pub digest: Digest,
    /// What it may use.
    pub permissions: Permissions,
    /// What it was compared with on probation; `None`: it was trusted.
    pub trusted: Option<Digest>,
}

/// A build that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedBefore {
    /// Which it was.
    pub digest: Digest,
    /// The code and the reason.
    pub why: String,
}

impl Recalled {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut recalled = Self::default();
        for entry in entries {
            recalled.take_in(entry);
        }
        recalled
    }

    fn take_in(&mut self, entry: &Entry) {
        match entry {
            Entry::Runs { digest, permissions, trusted, .. } => {
                let parsed = |text: &String| text.parse().ok();
                self.running = parsed(digest).map(|digest| RunningBefore {
                    digest,
                    permissions: Permissions::named(permissions.iter().cloned()),
                    trusted: trusted.as_ref().and_then(parsed),
                });
                // What runs is not refused, whatever was said of it.
                self.refused.take_if(|it| self.running.as_ref().is_some_and(|now| now.digest == it.digest));
            }
            Entry::Trusted { .. } => {
                if let Some(running) = &mut self.running {
                    running.trusted = None;
                }
            }
            Entry::Refused { digest, code, why, relay, .. } => {
                let code = code.as_str();
                let by_this_relay = relay == env!("CARGO_PKG_VERSION");
                let holds = LASTING.contains(&code) || (by_this_relay && !PASSING.contains(&code));
                let refused = |digest| RefusedBefore { digest, why: format!("{code}: {why}") };
                self.refused = digest.parse().ok().filter(|_| holds).map(refused);
            }
            Entry::Forgotten { .. } => self.refused = None,
        }
    }
}
