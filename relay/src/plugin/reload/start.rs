//! Loads every plugin at the start.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::plugin::host::{PluginConfig, PluginHost};
use crate::plugin::{LiveGeneration, PluginErrors};

use super::task::ReloadTask;
use super::watched::Watched;

/// Loads the plugins of `configs`, whose names differ, and prepares to watch their files.
///
/// Compiles on a blocking thread, one plugin after the other. Run the task; it ends when `cancel` is
/// cancelled, and then the live generations keep their last value and report no change any more.
///
/// # Errors
/// One error per plugin that can't serve.
pub async fn watch(
    host: Arc<PluginHost>,
    configs: Vec<PluginConfig>,
    cancel: CancellationToken,
) -> Result<(BTreeMap<String, LiveGeneration>, ReloadTask), PluginErrors> {
    let mut plugins = Vec::new();
    let mut errors = Vec::new();
    for config in configs {
        match Watched::load(&host, config).await {
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
