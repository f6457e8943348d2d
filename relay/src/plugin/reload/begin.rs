//! Which build a plugin begins with when the relay starts.
//!
//! Mostly the one in its place. A build that was refused or rolled back before the relay stopped is not loaded as if
//! nothing had been: the one that ran goes on, from its copy. A build that was put in place meanwhile has to prove
//! itself against the one that ran, and may use no more.

use std::sync::Arc;

use crate::plugin::history::{Entry, History, How, Recalled, RefusedBefore};
use crate::plugin::host::{Build, Digest, PluginConfig, PluginHost};
use crate::plugin::{Generation, PluginError};

use super::judge::{blocking, keep, load, not_wider, read};

/// What a plugin begins with.
pub(super) struct Beginning {
    pub(super) generation: Arc<dyn Generation>,
    pub(super) digest: Digest,
    /// What it is compared with on probation.
    pub(super) trusted: Option<(Arc<dyn Generation>, Digest)>,
    /// What lies in its place and does not run, and why.
    pub(super) refused: Option<(Digest, PluginError)>,
}

/// Loads what the plugin of `config` begins with.
pub(super) async fn begin(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    history: &mut History,
) -> Result<Beginning, PluginError> {
    let build = read(config).await.map_err(|error| PluginError::unreadable(config, &error))?;
    let recalled = history.recall();
    if let Some(refused) = recalled.refused.as_ref().filter(|it| it.digest == build.digest()) {
        let error = still_refused(config, refused);
        return instead(host, config, history, &recalled, (refused.digest, error)).await;
    }
    match recalled.running.as_ref().map(|it| it.digest) {
        Some(running) if running == build.digest() => again(host, config, history, &recalled, build).await,
        Some(_) => put_meanwhile(host, config, history, &recalled, build).await,
        None => first(host, config, history, build).await,
    }
}

/// The first build that is known.
async fn first(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    history: &mut History,
    build: Build,
) -> Result<Beginning, PluginError> {
    let digest = build.digest();
    let generation = load(host, config, build, history.builds()).await?;
    history.add(&config.name, vec![Entry::runs(&*generation, How::Started, None)]);
    Ok(Beginning { generation, digest, trusted: None, refused: None })
}

/// The build that ran; its probation goes on where it was not over.
async fn again(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    history: &mut History,
    recalled: &Recalled,
    build: Build,
) -> Result<Beginning, PluginError> {
    let digest = build.digest();
    let generation = load(host, config, build, history.builds()).await?;
    let trusted = recalled.running.as_ref().and_then(|it| it.trusted);
    let trusted = to_go_back_to(host, config, history, trusted).await;
    Ok(Beginning { generation, digest, trusted, refused: None })
}

/// A build that was put in place while the relay was stopped.
async fn put_meanwhile(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    history: &mut History,
    recalled: &Recalled,
    build: Build,
) -> Result<Beginning, PluginError> {
    let digest = build.digest();
    let Some(before) = recalled.running.clone() else { return first(host, config, history, build).await };
    let (own, host_of_it, builds) = (Arc::clone(config), Arc::clone(host), history.builds());
    let loaded = blocking(config, move || {
        let running = before.digest.to_string();
        let short = running.get(..6).unwrap_or(&running);
        let generation = host_of_it
            .load_if(&own, &build, |may_use| not_wider(&own, may_use, &before.permissions, short))?;
        keep(&own, &build, builds.as_deref());
        Ok(generation)
    });
    let generation = match loaded.await {
        Ok(generation) => generation,
        Err(error) if error.code == "P118" => {
            history.add(&config.name, vec![Entry::refused(digest.to_string(), &error)]);
            return instead(host, config, history, recalled, (digest, error)).await;
        }
        Err(error) => return Err(error),
    };
    let trusted = recalled.running.as_ref().map(|it| it.trusted.unwrap_or(it.digest));
    let trusted = to_go_back_to(host, config, history, trusted).await;
    let compared = trusted.as_ref().map(|(_, digest)| *digest);
    history.add(&config.name, vec![Entry::runs(&*generation, How::Started, compared)]);
    Ok(Beginning { generation, digest, trusted, refused: None })
}

/// The build that ran, in the place of one that may not.
async fn instead(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    history: &History,
    recalled: &Recalled,
    refused: (Digest, PluginError),
) -> Result<Beginning, PluginError> {
    let running = recalled.running.as_ref();
    let kept = match running {
        Some(before) => kept(host, config, history, before.digest).await.map(|it| (it, before)),
        None => Err("no other build of it ran".to_owned()),
    };
    let (generation, before) = kept.map_err(|why| PluginError {
        code: "P133",
        plugin: config.name.clone(),
        what: format!(
            "the build in its place may not run ({}), and there is none to go on with: {why}",
            refused.1.what
        ),
        remedy: format!(
            "put another build in the place of {}, or remove the folder of its history to begin anew",
            config.component.display()
        ),
    })?;
    let running = generation.identity().short_digest();
    let plugin = &config.name;
    tracing::warn!(plugin, running, refused = %refused.0, "the build in place stays out: {}", refused.1);
    let trusted = to_go_back_to(host, config, history, before.trusted).await;
    Ok(Beginning { generation, digest: before.digest, trusted, refused: Some(refused) })
}

/// The build with this digest, to go back to in a probation; without it there is none.
async fn to_go_back_to(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    history: &History,
    digest: Option<Digest>,
) -> Option<(Arc<dyn Generation>, Digest)> {
    let digest = digest?;
    match kept(host, config, history, digest).await {
        Ok(generation) => Some((generation, digest)),
        Err(why) => {
            tracing::warn!(
                plugin = config.name,
                "there is no build to roll back to should the new one do worse: {why}"
            );
            None
        }
    }
}

/// Loads the copy of the build with this digest, with the configuration that it ran with.
pub(super) async fn kept(
    host: &Arc<PluginHost>,
    config: &Arc<PluginConfig>,
    history: &History,
    digest: Digest,
) -> Result<Arc<dyn Generation>, String> {
    let builds = history.builds().ok_or("no copies of builds are kept: see [relay] state")?;
    let (host, own) = (Arc::clone(host), Arc::clone(config));
    let loaded = blocking(config, move || {
        Ok(builds.take(digest).and_then(|(build, config)| {
            let config = PluginConfig { config, ..(*own).clone() };
            host.load_build(&config, &build).map_err(|error| error.to_string())
        }))
    });
    loaded.await.map_err(|error| error.to_string())?
}

fn still_refused(config: &PluginConfig, refused: &RefusedBefore) -> PluginError {
    let digest = refused.digest.to_string();
    PluginError {
        code: "P130",
        plugin: config.name.clone(),
        what: format!(
            "build {} was refused before the relay started again: {}",
            digest.get(..6).unwrap_or(&digest),
            refused.why
        ),
        remedy: format!("put another build in its place, or `relay plugin reload {}`", config.name),
    }
}
