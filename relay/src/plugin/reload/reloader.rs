//! The way to ask for a reload.

use tokio::sync::mpsc;

use crate::plugin::host::PluginConfig;

/// Asks a [`ReloadTask`](super::ReloadTask) to look at everything anew.
#[derive(Debug, Clone)]
pub struct Reloader(pub(super) mpsc::UnboundedSender<Vec<PluginConfig>>);

impl Reloader {
    /// Takes over the components and configurations of the plugins that run, and reads every file again, also
    /// one that was refused. What becomes of it is in the log and the status; plugins that are not in `configs`
    /// go on as they are. Returns at once.
    pub fn reload(&self, configs: Vec<PluginConfig>) {
        // The task ends with the relay, and then there is nothing to reload.
        let _ = self.0.send(configs);
    }
}
