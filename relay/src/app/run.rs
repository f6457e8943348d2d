//! `relay run`: from a configuration to lanes, until a signal or a fault ends them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::lanes::{self, Shared};
use super::signals::Signals;
use super::{AppError, budget, compiler, hangup, histories, open_stores, operators, process};
use crate::admin;
use crate::admin::plugins::plugin_requests;
use crate::config::Config;
use crate::pipeline::tap::Tap;
use crate::pipeline::{LaneEnd, Views};
use crate::plugin::host::{PluginConfig, PluginHost};
use crate::plugin::lookup::Lookups;
use crate::plugin::reload::{self, ReloadTask};
use crate::plugin::{ALL, LiveGeneration};
use crate::store::LaneId;

/// What `relay run` is asked for beside its configuration.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// This relay's name, as status shows it.
    pub owner: String,
    /// Whether to wait for lanes that another relay owns; otherwise the relay ends there.
    pub standby: bool,
    /// Whether builds that may use more than the one before need nobody's consent.
    pub accept_permissions: bool,
    /// Whether it is kept over restarts which builds of plugins ran.
    pub keep_history: bool,
    /// Faults of plugins name places in their source, where their components have line tables.
    pub source_lines: bool,
    /// The configuration's file, which is read again at a SIGHUP; none where flags stand for it.
    pub file: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After a signal, with everything in flight settled.
    Drained,
    /// By a second SIGINT.
    Interrupted,
    /// By a second SIGTERM.
    Terminated,
}

/// How long a dropped metric series lives in the exporter's buffers before they are emptied.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Relays until a signal. The first one stops reading, waits for what is in flight and settles it; the second
/// ends at once. Either way nothing is lost.
///
/// # Errors
/// When a part can't start, or stops for good. Every plugin that can't serve is named, before any event moves.
pub async fn run(config: Config, options: RunOptions) -> Result<Ending, AppError> {
    let mut signals = Signals::listen()?;
    let hangup = hangup::listen()?;
    let stop = CancellationToken::new();
    let _stop_on_return = stop.clone().drop_guard();
    let mut tasks = JoinSet::new();

    budget::tell(&config);
    let views = Views::default();
    let tap = Tap::default();
    let (asks, asked) = plugin_requests();
    if let Some(listen) = config.admin.listen {
        let metrics = admin::install_recorder()?;
        let server = admin::Server::bind(listen, views.clone(), metrics.clone()).await?;
        let server = if config.admin.tap { server.with_tap(tap.clone()) } else { server };
        let server = if config.admin.control { server.with_plugins(asks) } else { server };
        tracing::info!("metrics and health on http://{}", server.address());
        tasks.spawn(server.serve(stop.clone()));
        tasks.spawn(keep_up(metrics, stop.clone()));
    }
    let (live, loaded) = load_plugins(&config, &options, &stop).await?;
    let reloader = loaded.as_ref().map(|(reloading, _)| reloading.reloader());
    tasks.spawn(operators::answer(asked, options.clone(), reloader.clone(), stop.clone()));
    tasks.spawn(hangup::reload_plugins(hangup, options.clone(), reloader, stop.clone()));
    if let Some((reloading, lookups)) = loaded {
        tasks.spawn(reloading.run());
        tasks.spawn(lookups.keep(stop.clone()));
    }
    let mut stores = BTreeMap::new();
    for (source, store) in open_stores(&config).await? {
        store.prepare().await?;
        stores.insert(source, store);
    }

    let shared = Shared {
        config: &config,
        live: &live,
        stores: &stores,
        options: &options,
        process: &process::identity(),
        views: &views,
        tap: &tap,
        stop: &stop,
    };
    let (ends_in, ends) = mpsc::unbounded_channel();
    let lanes = shared.lanes()?;
    let count = lanes.len();
    for lane in lanes {
        if let Some(share) = lane.share.clone().filter(|_| lane.id.shard.index == 0) {
            let owner = &lane.settings.owner;
            let (store, id, process) = (Arc::clone(&lane.store), lane.id.clone(), owner.process.clone());
            tasks.spawn(share.keep(store, id, process, owner.lease, stop.clone()));
        }
        lanes::start(lane, ends_in.clone())?;
    }
    let ending = supervise(count, ends, &stop, &mut signals).await;
    stop.cancel();
    tasks.shutdown().await;
    ending
}

async fn load_plugins(
    config: &Config,
    options: &RunOptions,
    stop: &CancellationToken,
) -> Result<(BTreeMap<String, LiveGeneration>, Option<(ReloadTask, Arc<Lookups>)>), AppError> {
    let configs: Vec<_> = config.used_plugins().map(|it| accepting(it.plugin.clone(), options)).collect();
    if configs.is_empty() {
        return Ok((BTreeMap::new(), None));
    }
    let host = Arc::new(PluginHost::with(&compiler::host_config(config, options.source_lines))?);
    let lookups = host.lookups();
    let histories = histories::folder(config, options);
    let (live, task) = reload::watch(host, configs, histories, stop.clone()).await?;
    for generation in live.values() {
        let generation = generation.borrow();
        let identity = generation.identity();
        let may_use = generation.permissions();
        tracing::info!(
            "plugin {} {} ({}) may use {may_use}",
            identity.name,
            identity.version,
            identity.short_digest()
        );
    }
    Ok((live, Some((task, lookups))))
}

/// `plugin` with what the command line accepts for it.
pub(super) fn accepting(plugin: PluginConfig, options: &RunOptions) -> PluginConfig {
    if options.accept_permissions { PluginConfig { accept: vec![ALL.to_owned()], ..plugin } } else { plugin }
}

/// Waits until every lane ended. One that can't go on stops the others gracefully: an operator has to act, and
/// a relay that half works hides it.
async fn supervise(
    mut lanes: usize,
    mut ends: mpsc::UnboundedReceiver<(LaneId, Option<LaneEnd>)>,
    stop: &CancellationToken,
    signals: &mut Signals,
) -> Result<Ending, AppError> {
    let mut fault = None;
    while lanes > 0 {
        tokio::select! {
            ending = signals.next() => {
                if stop.is_cancelled() {
                    return Ok(ending);
                }
                tracing::info!("stopping: waiting for what is in flight; a second signal ends at once");
                stop.cancel();
            }
            Some((lane, end)) = ends.recv() => {
                lanes -= 1;
                if let Some(error) = fault_of(&lane, end) {
                    tracing::error!(%lane, "{error}");
                    stop.cancel();
                    fault.get_or_insert(error);
                }
            }
        }
    }
    fault.map_or(Ok(Ending::Drained), Err)
}

fn fault_of(lane: &LaneId, end: Option<LaneEnd>) -> Option<AppError> {
    match end {
        Some(LaneEnd::Stopped) => None,
        Some(LaneEnd::StoppedInFlight) => {
            tracing::warn!(%lane, "stopped with answers missing: their messages are sent again at the next start");
            None
        }
        Some(LaneEnd::SourceRefused(error)) => Some(error.into()),
        Some(LaneEnd::Lost(error) | LaneEnd::StoreRefused(error)) => Some(error.into()),
        None => {
            Some(AppError::Disproved(format!("lane {lane} ended by a bug in the relay; its log says where")))
        }
    }
}

async fn keep_up(metrics: admin::Metrics, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        metrics.run_upkeep();
    }
}
