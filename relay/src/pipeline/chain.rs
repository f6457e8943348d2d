//! Runs a batch through the plugins of a pipeline and routes what comes out to one sink.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay_engine::event::{Event, EventBatch, EventFields};
use relay_engine::message::{Content, Message};
use relay_engine::outcome::{Failure, FailureClass};
use relay_engine::route::{Grant, Router};
use relay_engine::verdict::{PluginMessage, Verdict};

use super::tap::Watch;
use crate::plugin::{Answer, Fault, Identity, LiveGeneration, Plugin, PluginError, Record};

/// The plugins of a pipeline in order, as one lane runs them.
pub struct Chain {
    source: String,
    router: Router,
    stages: Vec<Stage>,
    answers: Vec<Answer>,
}

/// One plugin of a chain.
pub struct Stage {
    live: LiveGeneration,
    grant: Grant,
    identity: Identity,
    record: Arc<Record>,
    plugin: Box<dyn Plugin>,
}

/// How soon an event is tried again that a build on probation failed on: by then a bad one is mostly rolled back.
const SOON: Duration = Duration::from_millis(25);

impl Stage {
    /// A stage that runs the newest generation.
    ///
    /// # Errors
    /// When no instance of it can be made.
    pub fn new(mut live: LiveGeneration, grant: Grant) -> Result<Self, PluginError> {
        let generation = Arc::clone(&live.borrow_and_update());
        let (identity, record) = (generation.identity().clone(), generation.record());
        Ok(Self { identity, record, plugin: generation.instantiate()?, live, grant })
    }
}

/// What became of one event in the chain.
#[derive(Debug)]
pub enum Rendered {
    /// Its messages for this lane's sink; none: it was discarded, or is not for this sink.
    Messages(Vec<Message>),
    /// It failed.
    Fail(Failure),
    /// A plugin stops the lane before it.
    Halt(String),
}

/// What stages work with beside events.
#[derive(Clone, Copy)]
struct Around<'a> {
    source: &'a str,
    router: &'a Router,
    watch: Option<&'a Watch>,
}

/// An event between two stages, with what earlier stages changed relative to the original.
struct Carried {
    event: usize,
    slot: Option<String>,
    key: Content,
    body: Content,
    inherit_headers: bool,
    headers: Vec<(String, Vec<u8>)>,
}

impl Chain {
    /// The chain of one lane. `source` is the configured name of the source, which plugins are told.
    #[must_use]
    pub fn new(source: String, router: Router, stages: Vec<Stage>) -> Self {
        Self { source, router, stages, answers: Vec::new() }
    }

    /// Digests of the generations that run, in order.
    pub(super) fn digests(&self) -> Vec<String> {
        self.stages.iter().map(|stage| stage.identity.digest.clone()).collect()
    }

    /// Names and short digests, in order, for people.
    pub(super) fn describe(&self) -> Vec<String> {
        self.stages.iter().map(|it| format!("{} {}", it.identity.name, it.identity.short_digest())).collect()
    }

    /// How many plugins there are.
    pub(super) fn plugins(&self) -> usize {
        self.stages.len()
    }

    /// Completes when a plugin has a newer generation; never when there is none to come.
    pub(super) async fn changed(&mut self) {
        let changes = self.stages.iter_mut().map(|stage| Box::pin(stage.live.changed()));
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            return std::future::pending().await;
        }
        // A closed channel means that the relay stops: no newer generation will come.
        if futures_util::future::select_all(changes).await.0.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// When a plugin that fails on nearly every event is asked again; `None`: none is being left alone.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.stages.iter().filter_map(|stage| stage.plugin.rests_until()).max()
    }

    /// How much longer that is; `None` also once it is over.
    pub(super) fn rests_for(&self) -> Option<Duration> {
        let rest = self.rests_until()?.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(rest)
    }

    /// Takes over the newest generations. Returns what changed, as `name: old → new`.
    ///
    /// # Errors
    /// When an instance can't be made; the stage then keeps its old one.
    pub(super) fn renew(&mut self) -> Result<Vec<String>, PluginError> {
        let mut changes = Vec::new();
        for stage in &mut self.stages {
            let generation = Arc::clone(&stage.live.borrow_and_update());
            if generation.identity() == &stage.identity {
                continue;
            }
            stage.plugin = generation.instantiate()?;
            let (old, new) = (stage.identity.short_digest(), generation.identity().short_digest());
            changes.push(format!("{}: {old} → {new}", stage.identity.name));
            stage.identity = generation.identity().clone();
            stage.record = generation.record();
        }
        Ok(changes)
    }

    /// Runs all stages over `events`; one result per event, in order.
    pub fn run(&mut self, events: &Arc<EventBatch>) -> Vec<Rendered> {
        self.run_watched(events, None)
    }

    /// As [`Chain::run`], in front of those who watch.
    pub(super) fn run_watched(&mut self, events: &Arc<EventBatch>, watch: Option<&Watch>) -> Vec<Rendered> {
        let mut rendered: Vec<_> = events.iter().map(|_| Rendered::Messages(Vec::new())).collect();
        let Self { source, router, stages, answers } = self;
        let any_withheld = refuse_withheld(events, &mut rendered);
        let around = Around { source, router, watch };
        let Some((last, earlier)) = stages.split_last_mut() else {
            for (index, event) in events.iter().enumerate() {
                let message = passed_on(Carried::untouched(index));
                add(&mut rendered[index], router.resolve(event, 0, message, &Grant::default()));
            }
            return rendered;
        };
        let mut carried: Option<Vec<Carried>> = any_withheld.then(|| whole(events));
        for stage in earlier {
            let inputs = carried.take().unwrap_or_else(|| untouched(events));
            carried = Some(stage.run_between(around, events, inputs, answers, &mut rendered));
        }
        last.run_last(around, events, carried, answers, &mut rendered);
        rendered.iter_mut().for_each(refuse_repeated_slots);
        rendered
    }
}

fn untouched(events: &EventBatch) -> Vec<Carried> {
    (0..events.len()).map(Carried::untouched).collect()
}

/// Those whose payload was read: no plugin takes one that was not for a tombstone.
fn whole(events: &EventBatch) -> Vec<Carried> {
    let whole = events.iter().enumerate().filter(|(_, event)| event.withheld().is_none());
    whole.map(|(index, _)| Carried::untouched(index)).collect()
}

/// Fails events whose payload was not read. Returns whether there are any.
fn refuse_withheld(events: &EventBatch, rendered: &mut [Rendered]) -> bool {
    let mut any = false;
    for (event, rendered) in events.iter().zip(rendered) {
        if let Some(size) = event.withheld() {
            any = true;
            let detail = format!(
                "its payload has {size} bytes, more than `max_payload` of its source; it was not read"
            );
            *rendered = Rendered::Fail(permanent("D318", detail));
        }
    }
    any
}

impl Carried {
    fn untouched(event: usize) -> Self {
        Self {
            event,
            slot: None,
            key: Content::Unchanged,
            body: Content::Unchanged,
            inherit_headers: true,
            headers: Vec::new(),
        }
    }

    /// The message of a later stage, made relative to the original event again.
    fn combine(&self, index: usize, message: PluginMessage) -> PluginMessage {
        let inherit = |content: Content, carried: &Content| match content {
            Content::Unchanged => carried.clone(),
            changed => changed,
        };
        let slot = match (&self.slot, message.slot) {
            (None, slot) => slot,
            (Some(prefix), slot) => Some(format!("{prefix}.{}", slot.unwrap_or_else(|| index.to_string()))),
        };
        let (inherit_headers, mut headers) = if message.inherit_headers {
            (self.inherit_headers, self.headers.clone())
        } else {
            (false, Vec::new())
        };
        headers.retain(|(name, _)| message.headers.iter().all(|(own, _)| own != name));
        headers.extend(message.headers);
        PluginMessage {
            slot,
            sink: message.sink,
            to: message.to,
            key: inherit(message.key, &self.key),
            body: inherit(message.body, &self.body),
            inherit_headers,
            headers,
        }
    }

    /// Appends this event as the next stage sees it.
    fn push_into(&self, batch: &mut EventBatch, original: Event<'_>) -> Result<(), Failure> {
        let key = match &self.key {
            Content::Unchanged => original.aggregate_id(),
            Content::Absent => "",
            Content::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| {
                permanent("P163", "a key passed on to the next plugin is not UTF-8".to_owned())
            })?,
        };
        let payload = match &self.body {
            Content::Unchanged => original.payload(),
            Content::Absent => None,
            Content::Bytes(bytes) => Some(bytes.as_slice()),
        };
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let inherited = self.inherit_headers.then(|| original.headers()).into_iter().flatten();
        let inherited = inherited.filter(|(name, _)| self.headers.iter().all(|(own, _)| own != name));
        let headers: Vec<_> = inherited.chain(own).collect();
        let attributes: Vec<_> = original.attributes().collect();
        let fields = EventFields {
            id: original.id(),
            sequence: original.sequence(),
            aggregate_type: original.aggregate_type(),
            aggregate_id: key,
            event_type: original.event_type(),
            content_type: original.content_type(),
            payload,
            headers: &headers,
            attributes: &attributes,
            occurred_at: original.occurred_at(),
            attempt: original.attempt(),
        };
        batch.push(&fields).map_err(|full| permanent("P165", full.to_string()))
    }
}

impl Stage {
    /// By when an event that fails now is tried again; to be asked before it runs.
    fn retry_within(&self) -> Option<Duration> {
        self.record.is_on_probation().then_some(SOON)
    }

    /// Runs a stage that others follow: what it addresses is routed now, what it passes on is returned.
    fn run_between(
        &mut self,
        around: Around<'_>,
        events: &Arc<EventBatch>,
        inputs: Vec<Carried>,
        answers: &mut Vec<Answer>,
        rendered: &mut [Rendered],
    ) -> Vec<Carried> {
        let router = around.router;
        let within = self.retry_within();
        let mut passed = Vec::with_capacity(inputs.len());
        let inputs = self.answer(around, events, inputs, answers, rendered);
        for (carried, answer) in inputs.iter().zip(answers.drain(..)) {
            let Some(event) = events.get(carried.event) else { continue };
            let messages = match verdict_messages(&self.identity, answer, within) {
                Ok(messages) => messages,
                Err(ended) => {
                    end(&mut rendered[carried.event], ended);
                    continue;
                }
            };
            let single = messages.len() == 1;
            for (index, message) in messages.into_iter().enumerate() {
                let named = !single || message.slot.is_some();
                let combined = carried.combine(index, message);
                if combined.to.is_some() || combined.sink.is_some() {
                    add(&mut rendered[carried.event], router.resolve(event, index, combined, &self.grant));
                } else {
                    let slot = combined.slot.or_else(|| named.then(|| index.to_string()));
                    passed.push(Carried {
                        event: carried.event,
                        slot,
                        key: combined.key,
                        body: combined.body,
                        inherit_headers: combined.inherit_headers,
                        headers: combined.headers,
                    });
                }
            }
        }
        passed
    }

    /// Runs the last stage: what it does not address takes the pipeline's own route.
    fn run_last(
        &mut self,
        around: Around<'_>,
        events: &Arc<EventBatch>,
        inputs: Option<Vec<Carried>>,
        answers: &mut Vec<Answer>,
        rendered: &mut [Rendered],
    ) {
        let router = around.router;
        let Some(inputs) = inputs else {
            let within = self.retry_within();
            answers.clear();
            self.plugin.run(around.source, events, answers);
            if let Some(watch) = around.watch {
                watch.plugin(&self.identity, events.iter(), events, answers);
            }
            for (index, answer) in answers.drain(..).enumerate() {
                let Some(event) = events.get(index) else { continue };
                match verdict_messages(&self.identity, answer, within) {
                    Ok(messages) => {
                        for (slot, message) in messages.into_iter().enumerate() {
                            add(&mut rendered[index], router.resolve(event, slot, message, &self.grant));
                        }
                    }
                    Err(ended) => end(&mut rendered[index], ended),
                }
            }
            return;
        };
        for rest in self.run_between(around, events, inputs, answers, rendered) {
            let Some(event) = events.get(rest.event) else { continue };
            let into = rest.event;
            add(&mut rendered[into], router.resolve(event, 0, passed_on(rest), &self.grant));
        }
    }

    /// Runs the plugin over carried events. Returns those it was run on; an event that can't be passed on fails.
    fn answer(
        &mut self,
        around: Around<'_>,
        events: &Arc<EventBatch>,
        inputs: Vec<Carried>,
        answers: &mut Vec<Answer>,
        rendered: &mut [Rendered],
    ) -> Vec<Carried> {
        let mut batch = EventBatch::with_capacity(inputs.len(), 0);
        let mut taken = Vec::with_capacity(inputs.len());
        for carried in inputs {
            let Some(event) = events.get(carried.event) else { continue };
            match carried.push_into(&mut batch, event) {
                Ok(()) => taken.push(carried),
                Err(failure) => end(&mut rendered[carried.event], Rendered::Fail(failure)),
            }
        }
        answers.clear();
        let batch = Arc::new(batch);
        self.plugin.run(around.source, &batch, answers);
        if let Some(watch) = around.watch {
            let originals = taken.iter().filter_map(|carried| events.get(carried.event));
            watch.plugin(&self.identity, originals, &batch, answers);
        }
        taken
    }
}

/// The messages of an answer, or how the event ended without any.
fn verdict_messages(
    plugin: &Identity,
    answer: Answer,
    retry_within: Option<Duration>,
) -> Result<Vec<PluginMessage>, Rendered> {
    let name = &plugin.name;
    let fail = |failure| Err(Rendered::Fail(failure));
    match answer {
        Answer::Verdict(Verdict::Publish(messages)) => Ok(messages),
        Answer::Verdict(Verdict::Discard(_)) => Ok(Vec::new()),
        Answer::Verdict(Verdict::Retry { reason, after }) => {
            let detail = format!("{name} asks to retry: {reason}");
            fail(Failure { retry_after: after, ..Failure::new(FailureClass::Retryable, "P160", detail) })
        }
        Answer::Verdict(Verdict::Reject { code, reason }) => {
            let detail = format!("{name} rejects it as {code}: {reason}");
            fail(Failure::new(FailureClass::Permanent, "P161", detail))
        }
        Answer::Verdict(Verdict::Halt(reason)) => Err(Rendered::Halt(format!("{name}: {reason}"))),
        Answer::Fault(fault) => {
            let (version, digest) = (&plugin.version, plugin.short_digest());
            let detail = format!("{name} {version} ({digest}): {}", fault.detail);
            fail(Failure { retry_within, ..Failure::new(FailureClass::Retryable, fault.code, detail) })
        }
        Answer::Failing(fault) => {
            let (version, digest) = (&plugin.version, plugin.short_digest());
            let Fault { code, detail } = fault;
            let why = format!("{name} {version} ({digest}) fails on nearly every event: {code}: {detail}");
            Err(Rendered::Halt(why))
        }
    }
}

/// The message of an event that no plugin addressed.
fn passed_on(carried: Carried) -> PluginMessage {
    PluginMessage {
        slot: carried.slot,
        sink: None,
        to: None,
        key: carried.key,
        body: carried.body,
        inherit_headers: carried.inherit_headers,
        headers: carried.headers,
    }
}

fn add(rendered: &mut Rendered, message: Result<Option<Message>, Failure>) {
    match message {
        Ok(None) => {}
        Ok(Some(message)) => {
            if let Rendered::Messages(messages) = rendered {
                messages.push(message);
            }
        }
        Err(failure) => end(rendered, Rendered::Fail(failure)),
    }
}

/// Notes how an event ended; of several endings the gravest stays.
fn end(rendered: &mut Rendered, ended: Rendered) {
    let gravity = |it: &Rendered| match it {
        Rendered::Messages(_) => 0,
        Rendered::Fail(failure) if failure.class == FailureClass::Permanent => 2,
        Rendered::Fail(_) => 1,
        Rendered::Halt(_) => 3,
    };
    if gravity(&ended) > gravity(rendered) {
        *rendered = ended;
    }
}

/// Two messages of one slot would share an idempotency key: a receiver would drop the second.
fn refuse_repeated_slots(rendered: &mut Rendered) {
    let Rendered::Messages(messages) = &*rendered else { return };
    if messages.len() < 2 {
        return;
    }
    let mut seen = HashSet::new();
    if let Some(twice) = messages.iter().find(|message| !seen.insert(message.slot.as_str())) {
        let detail = format!("two messages of the event have the slot {:?}", twice.slot);
        *rendered = Rendered::Fail(permanent("P164", detail));
    }
}

fn permanent(code: &'static str, detail: String) -> Failure {
    Failure::new(FailureClass::Permanent, code, detail)
}

#[cfg(test)]
mod tests;
