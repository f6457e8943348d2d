//! Loads every plugin at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::plugin::history::History;
use crate::plugin::host::{PluginConfig, PluginHost};
use crate::plugin::{LiveGeneration, PluginErrors};

use super::task::ReloadTask;
use super::watched::Watched;

/// Loads the plugins of `configs`, whose names differ, and prepares to watch their files.
///
/// `histories` is the folder in which what became of builds is kept over restarts; `None`: nowhere.
///
/// Compiles on a blocking thread, one plugin after the other. Run the task; it ends when `cancel` is
/// cancelled, and then the live generations keep their last value and report no change any more.
///
/// # Errors
/// One error per plugin that can't serve.
pub async fn watch(
    host: Arc<PluginHost>,
    configs: Vec<PluginConfig>,
    histories: Option<PathBuf>,
    cancel: CancellationToken,
) -> Result<(BTreeMap<String, LiveGeneration>, ReloadTask), PluginErrors> {
    let mut plugins = Vec::new();
    let mut errors = Vec::new();
    for config in configs {
        let history = open(histories.as_deref(), &config.name).await;
        match Watched::load(&host, config, history).await {
            Ok(plugin) => plugins.push(plugin),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(PluginErrors(errors));
    }
    let live = plugins.iter().map(|plugin| (plugin.name().to_owned(), plugin.subscribe())).collect();
    Ok((live, ReloadTask::new(host, plugins, cancel)))
}

async fn open(histories: Option<&Path>, plugin: &str) -> History {
    let (folder, name) = (histories.map(Path::to_owned), plugin.to_owned());
    // It ends early only when the relay does.
    spawn_blocking(move || History::open(folder.as_deref(), &name)).await.unwrap_or_default()
}
