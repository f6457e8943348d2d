//! A history as people read it: one row per build that ran or was refused.

use serde::{Deserialize, Serialize};

use super::entry::{Entry, How};

/// One build that ran, or was refused. Times are in microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The build.
    pub digest: String,
    /// The version it gives itself; unknown of a build that never ran.
    pub version: Option<String>,
    /// What it may use; unknown of a build that never ran.
    pub permissions: Option<Vec<String>>,
    /// Since when it ran; `None`: it never did.
    pub since: Option<u64>,
    /// How it came to run; `None`: it never did.
    pub came_by: Option<How>,
    /// Until when it ran, or when it was refused; `None`: it runs.
    pub until: Option<u64>,
    /// Why it does not run; `None`: it does.
    pub left: Option<Left>,
    /// The code and the words of a refusal.
    pub reason: Option<String>,
    /// Whether it has still to prove itself.
    pub on_probation: bool,
    /// Whether there is a copy of it to go back to.
    pub kept: bool,
}

/// Why a build does not run any more, or never did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Another build was swapped in.
    Replaced,
    /// Another build lay in its place when the relay started again.
    ReplacedWhileStopped,
    /// It did worse than the build before it.
    RolledBack,
    /// An operator went back to an earlier build.
    RolledBackByHand,
    /// It was never swapped in.
    Refused,
}

impl Left {
    /// Whether it ran and was found to be bad.
    #[must_use]
    pub fn is_roll_back(self) -> bool {
        matches!(self, Self::RolledBack | Self::RolledBackByHand)
    }
}

impl From<How> for Left {
    /// Why the build before one that came to run this way was left.
    fn from(how: How) -> Self {
        match how {
            How::Started => Self::ReplacedWhileStopped,
            How::SwappedIn => Self::Replaced,
            How::RolledBack => Self::RolledBack,
            How::RolledBackByHand => Self::RolledBackByHand,
        }
    }
}

/// The rows of `entries`, the newest first.
pub(super) fn of(entries: &[Entry], is_kept: &dyn Fn(&str) -> bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // Which of them runs.
    let mut running: Option<usize> = None;
    for entry in entries {
        match entry {
            Entry::Runs { at, digest, version, permissions, how, trusted } => {
                if let Some(before) = running.and_then(|index| rows.get_mut(index)) {
                    before.until = Some(*at);
                    before.left = Some((*how).into());
                    before.on_probation = false;
                }
                running = Some(rows.len());
                rows.push(Row {
                    digest: digest.clone(),
                    version: Some(version.clone()),
                    permissions: Some(permissions.clone()),
                    since: Some(*at),
                    came_by: Some(*how),
                    until: None,
                    left: None,
                    reason: None,
                    on_probation: trusted.is_some(),
                    kept: is_kept(digest),
                });
            }
            Entry::Trusted { .. } => {
                if let Some(now) = running.and_then(|index| rows.get_mut(index)) {
                    now.on_probation = false;
                }
            }
            Entry::Refused { at, digest, code, why, .. } => {
                let reason = Some(format!("{code}: {why}"));
                match running.and_then(|index| rows.get_mut(index)).filter(|it| it.digest == *digest) {
                    // It ran, and what follows says what runs instead.
                    Some(now) => now.reason = reason,
                    // It was left by hand, which its own row says.
                    None if code == "P130" => {}
                    None => rows.push(Row {
                        digest: digest.clone(),
                        version: None,
                        permissions: None,
                        since: None,
                        came_by: None,
                        until: Some(*at),
                        left: Some(Left::Refused),
                        reason,
                        on_probation: false,
                        kept: false,
                    }),
                }
            }
            Entry::Forgotten { .. } => {}
        }
    }
    rows.reverse();
    rows
}
