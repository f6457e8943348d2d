//! Makes lanes from the configuration and runs each on a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use relay_engine::engine::{Amount, HeldLimits, LaneConfig, OnDead, RetryPolicy, StormLimit};
use relay_engine::event::Shard;
use relay_engine::route::{Grant, Router, SinkKind, SinkRoute, Template};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::run::RunOptions;
use super::{AppError, process};
use crate::config::{self, Config, PipelineConfig, SinkConfig, SourceAdapter};
use crate::pipeline::tap::Tap;
use crate::pipeline::{self, Chain, LaneEnd, LaneParts, LaneSettings, OwnerSettings, Share, Stage, Views};
use crate::plugin::LiveGeneration;
use crate::sink::{Reports, Sink};
use crate::source::{BatchLimit, Source};
use crate::store::{LaneId, Store};

/// Messages that a sink without ordered prefixes is handed ahead of their answers.
const IN_FLIGHT: usize = 1_024;

/// The window overshoots its limit by at most one batch: a quarter.
const BATCHES_PER_WINDOW: usize = 4;

/// With the half second between a standby's looks, a lane is taken over within four seconds of a crash.
#[cfg(feature = "postgres")]
const POSTGRES_LEASE: Duration = Duration::from_secs(3);

/// Each renewal is a write in the application's file. Others who can open it are mostly on the same machine, where
/// they see that a process is gone.
#[cfg(feature = "sqlite")]
const SQLITE_LEASE: Duration = Duration::from_secs(30);

/// What all lanes of a process share.
pub(super) struct Shared<'a> {
    pub(super) config: &'a Config,
    pub(super) live: &'a BTreeMap<String, LiveGeneration>,
    pub(super) stores: &'a BTreeMap<String, Arc<dyn Store>>,
    pub(super) options: &'a RunOptions,
    /// This process, by [`process::identity`].
    pub(super) process: &'a str,
    pub(super) views: &'a Views,
    pub(super) tap: &'a Tap,
    pub(super) stop: &'a CancellationToken,
}

impl Shared<'_> {
    /// Every lane of every pipeline.
    pub(super) fn lanes(&self) -> Result<Vec<LaneParts>, AppError> {
        let mut lanes = Vec::new();
        for pipeline in self.config.pipelines.values() {
            for sink in &pipeline.sinks {
                let share = (pipeline.shards > 1).then(|| Share::new(pipeline.shards));
                for shard in Shard::each(pipeline.shards) {
                    lanes.push(self.lane(pipeline, sink, shard, share.clone())?);
                }
            }
        }
        Ok(lanes)
    }

    fn lane(
        &self,
        pipeline: &PipelineConfig,
        sink: &str,
        shard: Shard,
        share: Option<Share>,
    ) -> Result<LaneParts, AppError> {
        let missing = |noun: &str, name: &str| missing(pipeline, noun, name);
        let source =
            self.config.sources.get(&pipeline.source).ok_or_else(|| missing("source", &pipeline.source))?;
        let sink_config = self.config.sinks.get(sink).ok_or_else(|| missing("sink", sink))?.clone();
        let store = self.stores.get(&pipeline.source).ok_or_else(|| missing("source", &pipeline.source))?;
        let router = router(self.config, pipeline, sink)?.ok_or_else(|| missing("sink", sink))?;
        let mut stages = Vec::with_capacity(pipeline.plugins.len());
        for name in &pipeline.plugins {
            let live = self.live.get(name).ok_or_else(|| missing("plugin", name))?.clone();
            let granted = self.config.plugins.get(name).ok_or_else(|| missing("plugin", name))?;
            let grant = Grant::new(granted.grant.clone()).with_credentials(granted.credentials.clone());
            stages.push(Stage::new(live, grant)?);
        }
        let adapter = source.adapter.clone();
        let in_flight = in_flight(&sink_config);
        Ok(LaneParts {
            id: LaneId { pipeline: pipeline.name.clone(), sink: sink.to_owned(), shard },
            settings: settings(
                pipeline,
                in_flight,
                source.start.into(),
                self.owner(pipeline, &source.adapter),
            ),
            share,
            source: Box::new(move || make_source(&adapter, shard)),
            sink: {
                let name = sink.to_owned();
                Box::new(move |reports| make_sink(&name, &sink_config, reports))
            },
            chain: Chain::new(pipeline.source.clone(), router, stages),
            store: Arc::clone(store),
            shared: Handle::current(),
            views: self.views.clone(),
            tap: self.tap.clone(),
            stop: self.stop.child_token(),
        })
    }

    fn owner(&self, pipeline: &PipelineConfig, source: &SourceAdapter) -> OwnerSettings {
        let suggested = match source {
            #[cfg(feature = "postgres")]
            SourceAdapter::Postgres(_) => POSTGRES_LEASE,
            #[cfg(feature = "sqlite")]
            SourceAdapter::Sqlite(_) => SQLITE_LEASE,
        };
        OwnerSettings {
            name: self.options.owner.clone(),
            process: self.process.to_owned(),
            lease: self.config.relay.lease.unwrap_or(suggested),
            // Lanes that are divided are there to be shared.
            standby: self.options.standby || pipeline.shards > 1,
            is_gone: process::is_gone,
        }
    }
}

/// What `pipeline` names is not there. A configuration that was read has no such names.
pub(super) fn missing(pipeline: &PipelineConfig, noun: &str, name: &str) -> AppError {
    AppError::Refused {
        code: "C021",
        what: format!("pipeline {:?} names the {noun} {name:?}, which is not configured", pipeline.name),
        remedy: "run relay check".to_owned(),
    }
}

fn settings(
    pipeline: &PipelineConfig,
    in_flight: usize,
    start: crate::source::Start,
    owner: OwnerSettings,
) -> LaneSettings {
    LaneSettings {
        engine: LaneConfig {
            ordered_prefix: false,
            window_events: pipeline.window.events,
            window_bytes: pipeline.window.bytes as u64,
            in_flight,
            retry: RetryPolicy {
                first: pipeline.retry.first,
                max: pipeline.retry.max,
                attempts: pipeline.retry.attempts,
            },
            on_dead: match pipeline.on_dead {
                config::OnDead::Block => OnDead::Block,
                config::OnDead::ParkKey => OnDead::ParkKey,
                config::OnDead::SkipAfterDeadLetter => OnDead::SkipAfterDeadLetter,
            },
            settle_every: pipeline.settle_interval,
            storm: pipeline.storm.map(|it| StormLimit { percent: it.percent, last: it.last }),
            limits: HeldLimits {
                parked: amount(pipeline.held.parked, pipeline.held.parked_bytes),
                dead: amount(pipeline.held.dead, pipeline.held.dead_bytes),
            },
        },
        batch: batch(pipeline),
        start,
        owner,
        grace: pipeline.grace,
    }
}

fn amount(rows: usize, bytes: usize) -> Amount {
    Amount { rows: rows as u64, bytes: bytes as u64 }
}

/// A lane takes a whole batch in while its window has any room, so that a batch must be small beside the window.
pub(super) fn batch(pipeline: &PipelineConfig) -> BatchLimit {
    BatchLimit {
        events: pipeline.batch.events.min(pipeline.window.events / BATCHES_PER_WINDOW).max(1),
        bytes: pipeline.batch.bytes.min(pipeline.window.bytes / BATCHES_PER_WINDOW).max(1),
    }
}

pub(super) fn router(
    config: &Config,
    pipeline: &PipelineConfig,
    own: &str,
) -> Result<Option<Router>, AppError> {
    let mut routes = Vec::with_capacity(pipeline.sinks.len());
    for name in &pipeline.sinks {
        let Some(sink) = config.sinks.get(name) else { return Ok(None) };
        let text = pipeline.routes.get(name).map_or("", String::as_str);
        let template: Template = text.parse().map_err(|error| AppError::Refused {
            code: "R407",
            what: format!("the route of sink {name:?} in pipeline {:?}: {error}", pipeline.name),
            remedy: "run relay check".to_owned(),
        })?;
        routes.push(SinkRoute { name: name.clone(), kind: kind(sink), template });
    }
    Ok(Router::new(routes, own))
}

pub(super) fn kind(sink: &SinkConfig) -> SinkKind {
    match sink {
        #[cfg(feature = "http")]
        SinkConfig::Http(_) => SinkKind::Http,
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(_) => SinkKind::Kafka,
        #[cfg(feature = "nats")]
        SinkConfig::Nats(_) => SinkKind::Nats,
        SinkConfig::Stdout { stands_for } => *stands_for,
    }
}

/// A sink that is handed more than it works on at once only holds it longer: twice its own concurrency keeps it
/// busy while answers travel.
fn in_flight(sink: &SinkConfig) -> usize {
    match sink {
        #[cfg(feature = "http")]
        SinkConfig::Http(config) => config.concurrency * 2,
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(_) => usize::MAX,
        #[cfg(feature = "nats")]
        SinkConfig::Nats(config) => config.in_flight * 2,
        SinkConfig::Stdout { .. } => IN_FLIGHT,
    }
}

fn make_source(
    adapter: &SourceAdapter,
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "only Postgres divides keys"))]
    shard: Shard,
) -> Box<dyn Source> {
    match adapter {
        #[cfg(feature = "postgres")]
        SourceAdapter::Postgres(config) => {
            let config = crate::source::postgres::PostgresSourceConfig { shard, ..config.clone() };
            Box::new(crate::source::postgres::PostgresSource::new(config))
        }
        #[cfg(feature = "sqlite")]
        SourceAdapter::Sqlite(config) => Box::new(crate::source::sqlite::SqliteSource::new(config.clone())),
    }
}

fn make_sink(name: &str, sink: &SinkConfig, reports: Reports) -> Box<dyn Sink> {
    match sink {
        #[cfg(feature = "http")]
        SinkConfig::Http(config) => Box::new(crate::sink::http::HttpSink::new(config.clone(), reports)),
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(config) => Box::new(crate::sink::kafka::KafkaSink::new(config.clone(), reports)),
        #[cfg(feature = "nats")]
        SinkConfig::Nats(config) => Box::new(crate::sink::nats::NatsSink::new(config.clone(), reports)),
        SinkConfig::Stdout { .. } => Box::new(crate::sink::stdout::StdoutSink::new(name.to_owned(), reports)),
    }
}

/// Runs a lane on a thread of its own; its end arrives on `ends`, also when the thread panics.
pub(super) fn start(
    parts: LaneParts,
    ends: UnboundedSender<(LaneId, Option<LaneEnd>)>,
) -> Result<(), AppError> {
    let id = parts.id.clone();
    let thread = std::thread::Builder::new().name(format!("lane {}", parts.id.sink));
    let spawned = thread.spawn(move || {
        let mut end = EndGuard { id: parts.id.clone(), end: None, ends };
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => end.end = Some(runtime.block_on(pipeline::run(parts))),
            Err(error) => tracing::error!(lane = %end.id, "no runtime for this lane: {error}"),
        }
    });
    spawned.map(|_| ()).map_err(|error| AppError::Refused {
        code: "C042",
        what: format!("no thread for lane {id}: {error}"),
        remedy: "raise the limit of processes".to_owned(),
    })
}

/// Reports the end of a lane's thread when it is dropped.
struct EndGuard {
    id: LaneId,
    end: Option<LaneEnd>,
    ends: UnboundedSender<(LaneId, Option<LaneEnd>)>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        // Nobody listens any more when the process is ending at once.
        let _ = self.ends.send((self.id.clone(), self.end.take()));
    }
}
