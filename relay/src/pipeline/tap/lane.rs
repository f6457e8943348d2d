//! What one lane shows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use relay_engine::engine::BatchId;
use relay_engine::event::{Event, EventBatch};
use relay_engine::message::MessageBatch;
use relay_engine::outcome::Failure;

use super::filter::Kind;
use super::hub::{Tap, Viewer};
use super::seen::{Seen, What, Why, idempotency_key};
use crate::pipeline::chain::Rendered;
use crate::plugin::{Answer, Identity};
use crate::sink::{Report, Sink};
use crate::store::LaneId;

/// Messages whose answers are waited for at most; those of further ones are not shown. A window holds fewer, unless
/// its settings were raised.
const UNANSWERED: usize = 65_536;

/// A lane's side of the tap.
pub(in crate::pipeline) struct LaneTap {
    tap: Tap,
    lane: LaneId,
    /// When messages that were shown were handed to the sink.
    sent: HashMap<(BatchId, u32), Instant>,
}

/// Those who watch this lane, for as long as it works on one batch.
pub(in crate::pipeline) struct Watch {
    lane: LaneId,
    viewers: Vec<Arc<Viewer>>,
}

impl LaneTap {
    pub(in crate::pipeline) fn new(tap: Tap, lane: LaneId) -> Self {
        Self { tap, lane, sent: HashMap::new() }
    }

    /// Those who watch this lane; nothing but a relaxed load where nobody does.
    pub(in crate::pipeline) fn watch(&self) -> Option<Watch> {
        let all = self.tap.watching()?;
        let viewers: Vec<_> = all.iter().filter(|it| it.filter.takes_lane(&self.lane)).cloned().collect();
        (!viewers.is_empty()).then(|| Watch { lane: self.lane.clone(), viewers })
    }

    /// Shows messages that are about to be handed to `sink`.
    pub(in crate::pipeline) fn sending(
        &mut self,
        id: BatchId,
        batch: &MessageBatch,
        messages: &[u32],
        sink: &dyn Sink,
    ) {
        let Some(watch) = self.watch() else {
            if !self.sent.is_empty() {
                self.sent = HashMap::new();
            }
            return;
        };
        let now = Instant::now();
        for index in messages {
            let Some(message) = batch.get(*index) else { continue };
            if watch.wants(Kind::Answer, message.event()) && self.sent.len() < UNANSWERED {
                self.sent.insert((id, *index), now);
            }
            watch.show(Kind::Sent, message.event(), |_| true, || What::sent(message, sink));
        }
    }

    /// Shows the answers to messages that were sent while somebody watched.
    pub(in crate::pipeline) fn answered(&mut self, report: &Report, batch: Option<&Arc<MessageBatch>>) {
        if self.sent.is_empty() {
            return;
        }
        let watch = self.watch();
        let delivered = report.delivered.iter().map(|index| (*index, None));
        let failed = report.failed.iter().map(|(index, failure)| (*index, Some(failure)));
        for (index, failure) in delivered.chain(failed) {
            let Some(since) = self.sent.remove(&(report.batch_id, index)) else { continue };
            let (Some(watch), Some(message)) = (&watch, batch.and_then(|it| it.get(index))) else { continue };
            let took = since.elapsed();
            watch.show(
                Kind::Answer,
                message.event(),
                |_| true,
                || What::Answer {
                    idempotency_key: idempotency_key(message),
                    failure: failure.cloned(),
                    took,
                },
            );
        }
    }
}

impl Watch {
    /// Shows events as they came out of the outbox.
    pub(in crate::pipeline) fn read(&self, events: &EventBatch) {
        for event in events.iter() {
            self.show(Kind::Read, event, |_| true, || What::Read);
        }
    }

    /// Shows what a plugin saw and answered; `originals` are the events that `batch` was made of, one each.
    pub(in crate::pipeline) fn plugin<'e>(
        &self,
        plugin: &Identity,
        originals: impl Iterator<Item = Event<'e>>,
        batch: &EventBatch,
        answers: &[Answer],
    ) {
        for ((original, before), answer) in originals.zip(batch.iter()).zip(answers) {
            let wanted = |viewer: &Viewer| viewer.filter.takes_plugin(&plugin.name);
            self.show(Kind::Plugin, original, wanted, || What::Plugin {
                plugin: plugin.clone(),
                before: Box::new(before.into()),
                answer: answer.clone(),
            });
        }
    }

    /// Shows events that end without a message for this sink.
    pub(in crate::pipeline) fn not_sent(&self, events: &EventBatch, rendered: &[Rendered]) {
        let why = |rendered: &Rendered| match rendered {
            Rendered::Messages(messages) if messages.is_empty() => Some(Why::Nothing),
            Rendered::Messages(_) => None,
            Rendered::Fail(failure) => Some(Why::Failed(Failure::clone(failure))),
            Rendered::Halt(reason) => Some(Why::Halted(reason.clone())),
        };
        for (event, rendered) in events.iter().zip(rendered) {
            let Some(why) = why(rendered) else { continue };
            self.show(Kind::NotSent, event, |_| true, || What::NotSent(why.clone()));
        }
    }

    fn wants(&self, kind: Kind, event: Event<'_>) -> bool {
        self.viewers.iter().any(|it| it.filter.takes_kind(kind) && it.filter.takes_event(event))
    }

    fn show(&self, kind: Kind, event: Event<'_>, wanted: impl Fn(&Viewer) -> bool, what: impl Fn() -> What) {
        for viewer in &self.viewers {
            if viewer.filter.takes_kind(kind) && viewer.filter.takes_event(event) && wanted(viewer) {
                let whole = kind == Kind::Read;
                viewer.show(|always| Seen::new(&self.lane, event, whole || always, what()));
            }
        }
    }
}
