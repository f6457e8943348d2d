//! Swaps plugins while the relay runs.
//!
//! A new build in the place of the old one is compiled, linked and configured away from the data path, and only
//! a build that passes every step is handed to the lanes, which take it at their next batch boundary. A build
//! that is refused changes nothing: the old one goes on, and [`ReloadStatus`] says why.
//!
//! Events of the file system are hints. Each leads to reading the file again, because what happened to it can't
//! be told from them: editors rename, Kubernetes swaps a symlink to a folder, some file systems report nothing
//! at all, and a folder that is deleted and made again takes its watch along. So the files are also looked at
//! every second, and only two equal readings, some time apart, count as a build.

mod begin;
mod beside;
mod candidate;
mod folder;
mod hand;
mod judge;
mod probation;
mod reloader;
mod stamp;
mod start;
mod status;
mod task;
mod turn;
mod watched;

#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod tests;

pub use reloader::{Reloader, Stopped};
pub use start::watch;

pub use crate::plugin::PluginErrors;
pub use status::{PluginStatus, RefusedBuild, ReloadStatus};
pub use task::ReloadTask;
pub use turn::Turn;
