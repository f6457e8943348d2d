//! What operators see of a session: its view, its metrics and its log lines.

use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use relay_engine::engine::Cause;
use relay_engine::event::Shard;

use super::Session;
use crate::pipeline::live::LiveBatch;
use crate::pipeline::view::{LaneState, LaneView};
use crate::sink::Report;
use crate::source::SentEvent;
use crate::store::{HeldState, LaneId, RetryResult, Settlement};
use crate::telemetry;

/// How often figures are brought up to date: often enough for a person who watches.
pub(super) const SHOW_EVERY: Duration = Duration::from_millis(100);

impl Session<'_> {
    /// A lane that is a part of one has its number beside its name.
    pub(super) fn labels(&self) -> Vec<(&'static str, String)> {
        let LaneId { pipeline, sink, shard } = &self.parts.id;
        let mut labels = vec![("pipeline", pipeline.clone()), ("sink", sink.clone())];
        if *shard != Shard::WHOLE {
            labels.push(("shard", shard.to_string()));
        }
        labels
    }

    pub(super) fn count_failure(&self, code: &str) {
        let mut labels = self.labels();
        labels.push(("code", code.to_owned()));
        counter!(telemetry::FAILURES, &labels).increment(1);
    }

    pub(super) fn note_age(&mut self, report: &Report) {
        let batch = self.batches.get(report.batch_id).and_then(LiveBatch::messages);
        let Some(message) = report.delivered.last().and_then(|it| batch?.get(*it)) else { return };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.age = now.saturating_sub(Duration::from_micros(message.event().occurred_at()));
    }

    fn state(&self) -> LaneState {
        let status = self.engine.status();
        if let Some(reason) = &self.halted {
            LaneState::Halted(reason.clone())
        } else if let Some(outage) = status.outage {
            let last = format!("{}: {}", outage.failure.code, outage.failure.detail);
            match outage.cause {
                Cause::Sink => LaneState::Outage(last),
                Cause::Receiver => {
                    LaneState::Storm(format!("E602: the receiver refuses most events; {last}"))
                }
                Cause::Plugin => {
                    LaneState::Storm(format!("E603: plugins or routes fail on most events; {last}"))
                }
            }
        } else if let Some(failure) = self.sink.away() {
            LaneState::Outage(format!("{}: {}", failure.code, failure.detail))
        } else if let Some(full) = status.full {
            LaneState::Full(format!("E604: {full}"))
        } else if let Some(why) = &self.away {
            LaneState::Waiting(why.clone())
        } else {
            LaneState::Running
        }
    }

    /// Updates what operators see, where it changed: a change of state at once, figures now and then.
    pub(super) fn show(&mut self) {
        let away = self
            .shown
            .as_ref()
            .is_some_and(|it| matches!(it.state, LaneState::Outage(_) | LaneState::Storm(_)));
        let now = Instant::now();
        if now < self.next_show && self.engine.is_away() == away && self.halted.is_none() {
            return;
        }
        self.next_show = now + SHOW_EVERY;
        let status = self.engine.status();
        let view = LaneView {
            state: self.state(),
            delivered: self.delivered_before + status.deliveries,
            window: status.window,
            held: status.held,
            plugins: self.parts.chain.describe(),
        };
        if self.shown.as_ref() == Some(&view) {
            return;
        }
        if self.shown.as_ref().map(|it| &it.state) != Some(&view.state) {
            self.log_state(&view.state);
        }
        let labels = self.labels();
        gauge!(telemetry::WINDOW, &labels).set(view.window as f64);
        gauge!(telemetry::HELD, &labels).set(view.held as f64);
        gauge!(telemetry::AGE, &labels).set(self.age.as_secs_f64());
        gauge!(telemetry::OUTAGE, &labels)
            .set(f64::from(u8::from(matches!(view.state, LaneState::Outage(_)))));
        gauge!(telemetry::STORM, &labels).set(f64::from(u8::from(matches!(view.state, LaneState::Storm(_)))));
        gauge!(telemetry::FULL, &labels).set(f64::from(u8::from(matches!(view.state, LaneState::Full(_)))));
        self.parts.views.set(&self.parts.id, view.clone());
        self.shown = Some(view);
    }

    fn log_state(&self, state: &LaneState) {
        let lane = &self.parts.id;
        match state {
            LaneState::Outage(why) => {
                tracing::warn!(%lane, "sink away: {why}; nothing is lost, no attempt is spent");
            }
            LaneState::Storm(why) => {
                tracing::error!(%lane, "stopped, nothing more is given up: {why}");
            }
            LaneState::Full(why) => tracing::error!(%lane, "stopped, nothing is lost: {why}"),
            LaneState::Starting
            | LaneState::Running
            | LaneState::Standby(_)
            | LaneState::Waiting(_)
            | LaneState::Halted(_)
            | LaneState::Stopped => {}
        }
    }

    /// Says what of the events sent lately a failover took back; from here on they are told of no more.
    pub(super) fn tell_taken_back(&mut self, events: &[SentEvent]) {
        let Some(sent) = &mut self.sent else { return };
        let of = sent.len();
        sent.forget();
        let lane = &self.parts.id;
        for SentEvent { id, sequence } in events {
            tracing::warn!(%lane, event = %id, sequence, "D319: sent, and taken back by the failover of the database");
        }
        counter!(telemetry::TAKEN_BACK, &self.labels()).increment(events.len() as u64);
        let gone = events.len();
        tracing::warn!(
            %lane,
            gone,
            of,
            "D319: the database was failed over; {gone} of the last {of} events sent are not in the outbox any more"
        );
    }

    pub(super) fn log_failures(&self, settlement: &Settlement) {
        let lane = &self.parts.id;
        let held = settlement.held.iter();
        let held = held.filter_map(|it| Some((&it.event.id, it.state, it.attempts, it.failure.as_ref()?)));
        let retried = settlement.retried.iter().filter_map(|it| match &it.result {
            RetryResult::Done => None,
            RetryResult::Held { state, attempts, failure, .. } => {
                Some((&it.event_id, *state, *attempts, failure))
            }
        });
        for (event, state, attempts, failure) in held.chain(retried) {
            self.count_failure(&failure.code);
            let (code, detail) = (&failure.code, &failure.detail);
            match state {
                HeldState::Dead => tracing::warn!(%lane, event, attempts, "dead letter: {code}: {detail}"),
                HeldState::Blocked => tracing::warn!(%lane, event, "waits behind its key: {code}: {detail}"),
                HeldState::Parked { after } => {
                    tracing::warn!(%lane, event, attempts, "tried again in {after:?}: {code}: {detail}");
                }
            }
        }
    }
}
