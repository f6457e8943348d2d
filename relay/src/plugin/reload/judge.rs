//! From a file to a build that may take a running one's place.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::plugin::history::{self, KeptBuilds};
use crate::plugin::host::{Build, PluginConfig, PluginHost};
use crate::plugin::{Generation, Permissions, PluginError, golden};

/// Reads the file of the component.
pub(super) async fn read(config: &Arc<PluginConfig>) -> std::io::Result<Build> {
    let config = Arc::clone(config);
    spawn_blocking(move || Build::read(&config.component, &config.config))
        .await
        .map_err(std::io::Error::other)?
}

/// A build that may take the place of the running one.
pub(super) struct Judged {
    pub(super) generation: Arc<dyn Generation>,
    /// How many golden cases it passed.
    pub(super) cases: usize,
    /// What it may use otherwise than the running one: `+ clock.now`; mostly empty.
    pub(super) changes: String,
}

/// Everything that a new build has to pass before it is swapped in, on a blocking thread.
pub(super) async fn judge(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    build: Build,
    running: &dyn Generation,
    builds: Option<Arc<KeptBuilds>>,
) -> Result<Judged, PluginError> {
    let (host, own) = (Arc::clone(host), Arc::clone(config));
    let (digest, before) = (running.identity().short_digest().to_owned(), running.permissions());
    blocking(config, move || {
        let generation = host.load_if(&own, &build, |may_use| not_wider(&own, may_use, &before, &digest))?;
        let cases = golden::gate(&host, &own, &build)?;
        let changes = generation.permissions().changes(&before);
        keep(&own, &build, builds.as_deref());
        Ok(Judged { generation, cases, changes })
    })
    .await
}

/// Refuses a build that may use more than the running one, known by `digest`, and than `config` accepts.
pub(super) fn not_wider(
    config: &PluginConfig,
    may_use: &Permissions,
    before: &Permissions,
    digest: &str,
) -> Result<(), PluginError> {
    let beyond = may_use.beyond(before, &config.accept);
    if beyond.is_empty() {
        return Ok(());
    }
    let accepted: Vec<_> = beyond.iter().map(|name| format!("{name:?}")).collect();
    Err(PluginError {
        code: "P118",
        plugin: config.name.clone(),
        what: format!("it may use more than the build that runs ({digest}): {}", may_use.changes(before)),
        remedy: format!(
            "if it is to have that, `relay plugin reload {name} --accept`, or accept = [{}] under [plugin.{name}] and \
             SIGHUP",
            accepted.join(", "),
            name = config.name
        ),
    })
}

/// Compiles, links and configures `build` on a blocking thread.
pub(super) async fn load(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    build: Build,
    builds: Option<Arc<KeptBuilds>>,
) -> Result<Arc<dyn Generation>, PluginError> {
    let (host, own) = (Arc::clone(host), Arc::clone(config));
    let loaded = move || {
        let generation = host.load_build(&own, &build)?;
        keep(&own, &build, builds.as_deref());
        Ok(generation)
    };
    blocking(config, loaded).await
}

/// Keeps a copy of a build that will run, for whoever wants to go back to it. Without one it runs all the same.
pub(super) fn keep(config: &PluginConfig, build: &Build, builds: Option<&KeptBuilds>) {
    if let Some(builds) = builds
        && let Err(error) = builds.keep(build, &config.config)
    {
        history::warn(&config.name, builds.folder(), &error);
    }
}

/// Does `work` for the plugin of `config` on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    config: &PluginConfig,
    work: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
) -> Result<T, PluginError> {
    spawn_blocking(work).await.unwrap_or_else(|ended| {
        Err(PluginError {
            code: "P111",
            plugin: config.name.clone(),
            what: format!("loading it ended early: {ended}"),
            remedy: "unless the relay is stopping this is a bug of the relay: report it with the component"
                .to_owned(),
        })
    })
}
