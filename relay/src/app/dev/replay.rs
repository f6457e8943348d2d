//! Recorded events through one build.

use std::sync::Arc;

use relay_engine::event::EventBatch;

use super::news::Fate;
use super::project::Project;
use crate::plugin::golden::{self, CaseResult, EventRow, Outcome, Suite, outcome};
use crate::plugin::host::PluginHost;
use crate::plugin::{Answer, Generation, PluginError};
use relay_plugin_cases::{Content, Place};

/// What one build makes of the recorded events and of its golden cases.
pub(super) struct Judged {
    /// The build, to be compared with the next one.
    pub(super) generation: Arc<dyn Generation>,
    /// What the build before makes of the same events; empty where there was none.
    pub(super) before: Vec<Fate>,
    pub(super) fates: Vec<Fate>,
    pub(super) cases: Vec<CaseResult>,
}

/// Runs everything through `generation`, the build of `project` that is in place, and the recorded events through `old`
/// too. Blocks its thread.
///
/// # Errors
/// That of a plugin that stands before it, or of the configuration of a golden case.
pub(super) fn judge(
    host: &PluginHost,
    generation: Arc<dyn Generation>,
    project: &Project,
    recorded: &[EventRow],
    suites: &[Suite],
    old: Option<&dyn Generation>,
) -> Result<Judged, PluginError> {
    let events = passed_on(host, project, recorded)?;
    let before = old.map(|old| fates(old, &events, project)).transpose()?.unwrap_or_default();
    let fates = fates(&*generation, &events, project)?;
    let mut cases = Vec::new();
    for suite in suites {
        if suite.config == project.plugin.config {
            cases.extend(golden::run_loaded(&*generation, suite)?);
        } else {
            let bytes = std::fs::read(&project.plugin.component).unwrap_or_default();
            let (name, limits) = (&project.plugin.name, &project.plugin.limits);
            cases.extend(golden::run(host, name, &bytes, limits, std::slice::from_ref(suite))?);
        }
    }
    Ok(Judged { generation, before, fates, cases })
}

/// The recorded events as they come to this plugin, behind those that stand before it.
fn passed_on(
    host: &PluginHost,
    project: &Project,
    recorded: &[EventRow],
) -> Result<Vec<EventRow>, PluginError> {
    let mut events = recorded.to_vec();
    for plugin in &project.earlier {
        let generation = host.load(plugin)?;
        events = fates(&*generation, &events, project)?.into_iter().flat_map(onward).collect();
    }
    Ok(events)
}

/// The events that the messages of `fate` are for the next plugin.
fn onward(fate: Fate) -> Vec<EventRow> {
    let Outcome::Messages(messages) = fate.outcome else { return Vec::new() };
    let event = fate.event;
    let each = messages.into_iter().filter(|it| it.to == Place::Next).map(|message| {
        let mut next = event.clone();
        if let Content::Bytes(key) = message.key {
            next.aggregate_id = String::from_utf8_lossy(&key).into_owned();
        }
        match message.body {
            Content::Unchanged => {}
            Content::Absent => next.payload = None,
            Content::Bytes(body) => next.payload = Some(body),
        }
        if !message.event_headers {
            next.headers.clear();
        }
        next.headers.retain(|(name, _)| message.headers.iter().all(|(own, _)| own != name));
        next.headers.extend(message.headers);
        next
    });
    each.collect()
}

/// Each event alone, with the plugin's clock at the time of the event: two builds then differ by what they do.
fn fates(
    generation: &dyn Generation,
    events: &[EventRow],
    project: &Project,
) -> Result<Vec<Fate>, PluginError> {
    let mut plugin = generation.instantiate()?;
    let mut fates = Vec::with_capacity(events.len());
    for event in events {
        let mut batch = EventBatch::default();
        let mut answers = Vec::new();
        // An event came out of a batch, so it fits one.
        let _ = golden::push_row(event, &mut batch);
        plugin.freeze_clock(event.occurred_at);
        plugin.run(&event.source, &Arc::new(batch), &mut answers);
        let Some(answer) = answers.pop() else { continue };
        let detail = match &answer {
            Answer::Fault(fault) | Answer::Failing(fault) => Some(project.shortened(&fault.detail)),
            Answer::Verdict(_) => None,
        };
        fates.push(Fate { event: event.clone(), outcome: outcome(&answer, event), detail });
    }
    Ok(fates)
}
