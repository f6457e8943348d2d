//! What one lane shows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use relay_engine::engine::BatchId;
use relay_engine::event::{Event, EventBatch};
use relay_engine::message::MessageBatch;

use super::filter::Kind;
use super::hub::{Tap, Viewer};
use super::seen::{Seen, What, Why, idempotency_key};
use crate::pipeline::chain::Rendered;
use crate::plugin::{Answer, Identity};
use crate::sink::{Report, Sink};
use crate::store::LaneId;

/// Messages whose answers are waited for at most, and events that are left out; of more nothing is remembered. A window
/// holds fewer, unless its settings were raised.
const REMEMBERED: usize = 65_536;

/// A lane's side of the tap.
pub(in crate::pipeline) struct LaneTap {
    tap: Tap,
    lane: LaneId,
    watch: Option<Watch>,
    /// When messages that were shown were handed to the sink.
    sent: HashMap<(BatchId, u32), Instant>,
}

/// Those who watch this lane.
pub(in crate::pipeline) struct Watch {
    lane: LaneId,
    viewers: Vec<Watching>,
}

struct Watching {
    viewer: Arc<Viewer>,
    /// Sequences of events that there was no room for when they were read: nothing more is shown of them, so that what
    /// is shown are whole histories of fewer events.
    left_out: HashSet<u64>,
}

impl LaneTap {
    pub(in crate::pipeline) fn new(tap: Tap, lane: LaneId) -> Self {
        Self { tap, lane, watch: None, sent: HashMap::new() }
    }

    /// Shows events as they came out of the outbox, those that there is room for on their way through so many plugins.
    /// Returns those who watch; nothing but a relaxed load where nobody does.
    pub(in crate::pipeline) fn read(&mut self, events: &EventBatch, plugins: usize) -> Option<&Watch> {
        let watch = self.refresh()?;
        for watching in &mut watch.viewers {
            watching.make_room(events, plugins);
        }
        for event in events.iter() {
            watch.show(Kind::Read, event, |_| true, || What::Read);
        }
        Some(watch)
    }

    /// Shows events that end without a message for this sink.
    pub(in crate::pipeline) fn rendered(&mut self, events: &EventBatch, rendered: &[Rendered]) {
        let Some(watch) = &mut self.watch else { return };
        let why = |rendered: &Rendered| match rendered {
            Rendered::Messages(messages) if messages.is_empty() => Some(Why::Nothing),
            Rendered::Messages(_) => None,
            Rendered::Fail(failure) => Some(Why::Failed(failure.clone())),
            Rendered::Halt(reason) => Some(Why::Halted(reason.clone())),
        };
        for (event, rendered) in events.iter().zip(rendered) {
            let Some(why) = why(rendered) else { continue };
            watch.show(Kind::NotSent, event, |_| true, || What::NotSent(why.clone()));
            watch.forget(event.sequence());
        }
    }

    /// Shows messages that are about to be handed to `sink`.
    pub(in crate::pipeline) fn sending(
        &mut self,
        id: BatchId,
        batch: &MessageBatch,
        messages: &[u32],
        sink: &dyn Sink,
    ) {
        if self.refresh().is_none() {
            return;
        }
        let Self { watch: Some(watch), sent, .. } = self else { return };
        let now = Instant::now();
        for index in messages {
            let Some(message) = batch.get(*index) else { continue };
            if watch.wants(Kind::Answer, message.event()) && sent.len() < REMEMBERED {
                sent.insert((id, *index), now);
            }
            watch.show(Kind::Sent, message.event(), |_| true, || What::sent(message, sink));
        }
    }

    /// Shows the answers to messages that were sent while somebody watched.
    pub(in crate::pipeline) fn answered(&mut self, report: &Report, batch: Option<&Arc<MessageBatch>>) {
        let (Some(watch), Some(batch)) = (&mut self.watch, batch) else { return };
        let delivered = report.delivered.iter().map(|index| (*index, None));
        let failed = report.failed.iter().map(|(index, failure)| (*index, Some(failure)));
        for (index, failure) in delivered.chain(failed) {
            let Some(message) = batch.get(index) else { continue };
            if let Some(since) = self.sent.remove(&(report.batch_id, index)) {
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
            watch.forget(message.event().sequence());
        }
    }

    /// Those who watch this lane now.
    fn refresh(&mut self) -> Option<&mut Watch> {
        let Some(all) = self.tap.watching() else {
            if self.watch.take().is_some() {
                self.sent = HashMap::new();
            }
            return None;
        };
        let known = self.watch.take().map(|it| it.viewers).unwrap_or_default();
        let mut known: Vec<_> = known.into_iter().collect();
        let mut watching = |viewer: &Arc<Viewer>| {
            let place = known.iter().position(|it| Arc::ptr_eq(&it.viewer, viewer));
            let new = || Watching { viewer: Arc::clone(viewer), left_out: HashSet::new() };
            place.map_or_else(new, |place| known.swap_remove(place))
        };
        let takes = |viewer: &&Arc<Viewer>| viewer.filter.takes_lane(&self.lane);
        let viewers: Vec<_> = all.iter().filter(takes).map(&mut watching).collect();
        self.watch = (!viewers.is_empty()).then(|| Watch { lane: self.lane.clone(), viewers });
        self.watch.as_mut()
    }
}

impl Watching {
    /// Leaves those events out whose whole history finds no room, and counts them.
    fn make_room(&mut self, events: &EventBatch, plugins: usize) {
        if self.left_out.len() > REMEMBERED {
            self.left_out.clear();
        }
        let Self { viewer, left_out } = self;
        let mut whole = viewer.room() / viewer.filter.records_of_event(plugins).max(1);
        for event in events.iter().filter(|it| viewer.filter.takes_event(*it)) {
            if whole > 0 {
                whole -= 1;
                left_out.remove(&event.sequence());
            } else {
                left_out.insert(event.sequence());
                viewer.miss();
            }
        }
    }

    fn wants(&self, kind: Kind, event: Event<'_>) -> bool {
        let filter = &self.viewer.filter;
        filter.takes_kind(kind) && filter.takes_event(event) && !self.left_out.contains(&event.sequence())
    }
}

impl Watch {
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

    fn wants(&self, kind: Kind, event: Event<'_>) -> bool {
        self.viewers.iter().any(|it| it.wants(kind, event))
    }

    fn show(&self, kind: Kind, event: Event<'_>, wanted: impl Fn(&Viewer) -> bool, what: impl Fn() -> What) {
        for watching in &self.viewers {
            if watching.wants(kind, event) && wanted(&watching.viewer) {
                let whole = kind == Kind::Read;
                watching.viewer.show(|always| Seen::new(&self.lane, event, whole || always, what()));
            }
        }
    }

    /// The event is through: when it comes again, it is looked at anew.
    fn forget(&mut self, sequence: u64) {
        self.viewers.iter_mut().for_each(|it| {
            it.left_out.remove(&sequence);
        });
    }
}

#[cfg(test)]
mod tests {
    use relay_engine::event::EventFields;

    use super::super::filter::Filter;
    use super::super::hub::{Attached, Shown};
    use super::*;

    const PLUGINS: usize = 2;

    fn batch(sequences: std::ops::Range<u64>) -> EventBatch {
        let mut events = EventBatch::default();
        for sequence in sequences {
            let id = sequence.to_string();
            events.push(&EventFields { id: &id, sequence, ..EventFields::default() }).unwrap();
        }
        events
    }

    fn run(lane: &mut LaneTap, events: &EventBatch) {
        let answers =
            vec![Answer::Verdict(relay_engine::verdict::Verdict::Discard(String::new())); events.len()];
        let plugin = Identity { name: "p".to_owned(), version: String::new(), digest: String::new() };
        if let Some(watch) = lane.read(events, PLUGINS) {
            (0..PLUGINS).for_each(|_| watch.plugin(&plugin, events.iter(), events, &answers));
        }
        let rendered: Vec<_> = events.iter().map(|_| Rendered::Messages(Vec::new())).collect();
        lane.rendered(events, &rendered);
    }

    /// How many records of each event are shown, and how many events are not.
    fn shown(attached: &mut Attached) -> (HashMap<u64, usize>, u64) {
        let (mut records, mut missed) = (HashMap::new(), 0);
        while let Some(shown) = attached.try_next() {
            match shown {
                Shown::Seen(seen) => *records.entry(seen.event.sequence).or_default() += 1,
                Shown::Missed(count) => missed += count,
            }
        }
        (records, missed)
    }

    #[test]
    fn a_batch_that_finds_no_room_is_shown_in_whole_histories_of_its_first_events() {
        let tap = Tap::default();
        let mut attached = tap.attach(Filter::default(), false).unwrap();
        let mut lane = LaneTap::new(tap, LaneId::new("p", "s"));
        let events = batch(0..3_000);
        run(&mut lane, &events);
        let (records, missed) = shown(&mut attached);
        // Read, two plugins, not sent.
        assert!(records.values().all(|count| *count == 4), "{records:?}");
        assert!(records.len() > 500, "{}", records.len());
        assert_eq!(records.len() as u64 + missed, 3_000);
        // What was left out is forgotten: the next batch is looked at anew.
        run(&mut lane, &batch(2_990..3_000));
        assert_eq!(shown(&mut attached).0.len(), 10);
    }

    #[test]
    fn a_lane_that_somebody_elses_filter_names_shows_nothing() {
        let tap = Tap::default();
        let filter = Filter { sinks: vec!["other".to_owned()], ..Filter::default() };
        let mut attached = tap.attach(filter, false).unwrap();
        let mut lane = LaneTap::new(tap, LaneId::new("p", "s"));
        run(&mut lane, &batch(0..10));
        assert_eq!(shown(&mut attached), (HashMap::new(), 0));
    }
}
