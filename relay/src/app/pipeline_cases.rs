//! Golden cases of whole pipelines: real components, grants and routes, and no server.

use std::sync::Arc;
use std::time::Instant;

use relay_engine::event::EventBatch;
use relay_engine::message::Message;
use relay_engine::route::{Grant, SinkKind};
use relay_plugin_cases::{Content, ExpectedMessage, Place};
use tokio::sync::watch;

use super::AppError;
use super::lanes;
use crate::config::{Config, PipelineConfig};
use crate::pipeline::{Chain, Rendered, Stage};
use crate::plugin::golden::{self, Case, CaseOutcome, CaseResult, Outcome, Suite};
use crate::plugin::host::{PluginConfig, PluginHost};
use crate::plugin::lookup::{LookupConfig, OriginConfig};
use crate::plugin::{LiveGeneration, PluginErrors};

/// How the codes of a plugin's faults start: a trap, a limit that was passed, a broken rule.
const FAULTS: &str = "P12";

/// What one sink gets.
struct Lane {
    sink: String,
    kind: SinkKind,
    chain: Chain,
}

/// Runs every case of `suites` through the pipeline of `config` that its file names, under the limits and the grants
/// that are configured there. Plugins see the real time. Blocks its thread.
///
/// # Errors
/// When a plugin can't be loaded, or a file names no pipeline that there is.
pub fn pipeline_cases(config: &Config, suites: &[Suite]) -> Result<Vec<CaseResult>, AppError> {
    let host = PluginHost::new()?;
    let mut results = Vec::new();
    for suite in suites {
        let pipeline = named(config, suite)?;
        let mut lanes = lanes_of(config, pipeline, &host, suite)?;
        for case in &suite.cases {
            let started = Instant::now();
            let (found, detail) = run(&mut lanes, case)?;
            let found = found.normal(&case.event);
            let outcome = match &case.expected {
                None => CaseOutcome::Unrecorded,
                Some(expected) if *expected == found => CaseOutcome::Passed,
                Some(_) => CaseOutcome::Differs,
            };
            let (file, duration) = (suite.file.clone(), started.elapsed());
            results.push(CaseResult { file, case: case.clone(), found, detail, outcome, duration });
        }
    }
    Ok(results)
}

fn named<'c>(config: &'c Config, suite: &Suite) -> Result<&'c PipelineConfig, AppError> {
    let known = config.pipelines.keys().cloned().collect::<Vec<_>>().join(", ");
    let wrong = |what: String| AppError::Refused {
        code: "P158",
        what: format!("{}: {what}", suite.file),
        remedy: format!("write pipeline = \"NAME\" at its top; there are: {known}"),
    };
    let name = suite.pipeline.as_ref().ok_or_else(|| wrong("names no pipeline".to_owned()))?;
    config.pipelines.get(name).ok_or_else(|| wrong(format!("there is no pipeline {name:?}")))
}

/// What `plugin` may read: tables of the file of cases where it has them, and configured files; no server is dialled.
fn tables_of(plugin: &PluginConfig, suite: &Suite) -> Result<Vec<LookupConfig>, AppError> {
    let table = |configured: &LookupConfig| match (suite.lookups.get(&configured.name), &configured.origin) {
        (Some(rows), _) => Ok(LookupConfig {
            origin: OriginConfig::Rows(rows.clone()),
            max: usize::MAX,
            ..configured.clone()
        }),
        (None, OriginConfig::Query { .. }) => Err(AppError::Refused {
            code: "P158",
            what: format!(
                "{}: the plugin {:?} reads the lookup table {:?} of a database, and no server is dialled",
                suite.file, plugin.name, configured.name
            ),
            remedy: format!("give it rows in the file: [lookup.{}]", configured.name),
        }),
        (None, _) => Ok(configured.clone()),
    };
    plugin.lookups.iter().map(table).collect()
}

/// A table that no plugin reads is a misspelt one.
fn check_tables(config: &Config, pipeline: &PipelineConfig, suite: &Suite) -> Result<(), AppError> {
    let plugins = pipeline.plugins.iter().filter_map(|name| config.plugins.get(name));
    let read: Vec<&str> = plugins.flat_map(|it| &it.plugin.lookups).map(|it| it.name.as_str()).collect();
    match suite.lookups.keys().find(|name| !read.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(AppError::Refused {
            code: "P158",
            what: format!("{}: no plugin of the pipeline may read a lookup table {name:?}", suite.file),
            remedy: format!(
                "its plugins read: {}",
                if read.is_empty() { "none".to_owned() } else { read.join(", ") }
            ),
        }),
    }
}

/// One chain per sink, as in a running relay.
fn lanes_of(
    config: &Config,
    pipeline: &PipelineConfig,
    host: &PluginHost,
    suite: &Suite,
) -> Result<Vec<Lane>, AppError> {
    check_tables(config, pipeline, suite)?;
    let missing = |noun: &str, name: &str| lanes::missing(pipeline, noun, name);
    let mut generations: Vec<(LiveGeneration, Grant)> = Vec::new();
    for name in &pipeline.plugins {
        let plugin = config.plugins.get(name).ok_or_else(|| missing("plugin", name))?;
        let granted = PluginConfig { lookups: tables_of(&plugin.plugin, suite)?, ..plugin.plugin.clone() };
        let generation = host.load(&granted).map_err(|error| PluginErrors(vec![error]))?;
        generations.push((
            watch::channel(generation).1,
            Grant::new(plugin.grant.clone()).with_credentials(plugin.credentials.clone()),
        ));
    }
    let mut lanes = Vec::new();
    for sink in &pipeline.sinks {
        let kind = lanes::kind(config.sinks.get(sink).ok_or_else(|| missing("sink", sink))?);
        let router = lanes::router(config, pipeline, sink)?.ok_or_else(|| missing("sink", sink))?;
        let stages = generations.iter().map(|(live, grant)| Stage::new(live.clone(), grant.clone()));
        let stages = stages.collect::<Result<Vec<_>, _>>()?;
        let chain = Chain::new(pipeline.source.clone(), router, stages);
        lanes.push(Lane { sink: sink.clone(), kind, chain });
    }
    Ok(lanes)
}

/// What each sink gets of one event, in the order of the sinks; what fails for one is what is told.
fn run(lanes: &mut [Lane], case: &Case) -> Result<(Outcome, Option<String>), AppError> {
    let mut batch = EventBatch::default();
    golden::push_row(&case.event, &mut batch).map_err(|full| AppError::Refused {
        code: "P165",
        what: full.to_string(),
        remedy: "use a smaller event in the case".to_owned(),
    })?;
    let batch = Arc::new(batch);
    let mut messages = Vec::new();
    for lane in lanes {
        match lane.chain.run(&batch).pop() {
            Some(Rendered::Messages(all)) => {
                messages.extend(all.into_iter().enumerate().map(|(index, it)| expected(lane, index, it)));
            }
            // What a fault says names the build, which no case should.
            Some(Rendered::Fail(failure)) if failure.code.starts_with(FAULTS) => {
                return Ok((Outcome::Fault(failure.code.into_owned()), Some(failure.detail)));
            }
            Some(Rendered::Fail(failure)) => {
                let outcome = Outcome::Reject { code: failure.code.into_owned(), reason: failure.detail };
                return Ok((outcome, None));
            }
            Some(Rendered::Halt(reason)) => return Ok((Outcome::Halt(reason), None)),
            None => {}
        }
    }
    Ok((Outcome::Messages(messages), None))
}

fn expected(lane: &Lane, index: usize, message: Message) -> ExpectedMessage {
    use relay_engine::message::Content as Made;
    let content = |content| match content {
        Made::Unchanged => Content::Unchanged,
        Made::Absent => Content::Absent,
        Made::Bytes(bytes) => Content::Bytes(bytes),
    };
    let address = message.address;
    let to = match lane.kind {
        SinkKind::Kafka => Place::Kafka {
            topic: address.place,
            partition: address.partition,
            timestamp: address.timestamp.and_then(|it| u64::try_from(it).ok()),
        },
        SinkKind::Nats => Place::Nats(address.place),
        SinkKind::Http => Place::Http { path: address.place, method: address.method, auth: address.auth },
        SinkKind::Stdout => Place::Other { kind: "stdout".to_owned(), address: address.place },
    };
    ExpectedMessage {
        // A slot that is only the message's place says nothing.
        slot: (message.slot != index.to_string()).then_some(message.slot),
        sink: Some(lane.sink.clone()),
        to,
        key: content(message.key),
        body: content(message.body),
        event_headers: message.inherit_headers,
        headers: message.headers,
    }
}
