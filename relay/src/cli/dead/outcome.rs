//! What came of a request: asked of the stores until it is over or the time is up.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cli::stores::{Asked, Stores};
use crate::cli::table::{counted, grouped};
use crate::cli::{Exit, Failure};
use crate::store::{DeadAction, LaneId, Outcome};

/// Between two looks: an owner looks for requests every second.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// What came of a request by the time it was looked at last.
#[derive(Debug)]
pub(super) struct Report {
    outcome: Outcome,
    /// Lanes that have not taken it up, and whether a relay runs them.
    open: Vec<(LaneId, bool)>,
}

impl Report {
    /// Looks until nothing of the request is open or waiting, `wait` at most.
    pub(super) async fn follow(stores: &Stores, asked: &[Asked], wait: Duration) -> Result<Self, Failure> {
        let end = Instant::now() + wait;
        let mut pause = FIRST_LOOK;
        let outcome = loop {
            let outcome = Asked::outcome(asked).await?;
            let over = outcome.open.is_empty() && outcome.waiting == 0;
            let left = end.saturating_duration_since(Instant::now());
            if over || left.is_zero() {
                break outcome;
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        };
        let lanes = if outcome.open.is_empty() { Vec::new() } else { stores.lanes().await? };
        let runs = |open: &LaneId| lanes.iter().any(|it| it.lane == *open && it.leased);
        let mut open: Vec<(LaneId, bool)> = outcome.open.iter().map(|it| (it.clone(), runs(it))).collect();
        open.sort();
        open.dedup();
        Ok(Self { outcome, open })
    }

    pub(super) fn exit(&self) -> Exit {
        if self.outcome.dead.is_empty() { Exit::Done } else { Exit::Failed }
    }

    /// A line for each thing that can come of an event.
    pub(super) fn lines(&self, action: &DeadAction) -> String {
        let Outcome { taken, done, waiting, dead, .. } = &self.outcome;
        let mut text = String::new();
        if *action == DeadAction::Drop {
            if *taken > 0 {
                let _ = writeln!(text, "{} dropped", counted(*taken, "event"));
            }
        } else {
            if *done > 0 {
                let _ = writeln!(
                    text,
                    "{} through: delivered, or discarded by a plugin",
                    counted(*done, "event")
                );
            }
            for again in dead {
                let detail = again.detail.lines().next().unwrap_or_default();
                let _ =
                    writeln!(text, "{} dead again: {} {detail}", counted(again.letters, "event"), again.code);
            }
            if *waiting > 0 {
                let events = counted(*waiting, "event");
                let _ = writeln!(
                    text,
                    "{events} yet to be tried, or to be tried again; relay status shows them as parked"
                );
            }
            let gone = taken.saturating_sub(done + waiting + self.dead_again());
            if gone > 0 {
                let _ = writeln!(text, "{} meant by another request since", grouped(gone));
            }
        }
        for (lane, runs) in &self.open {
            let why = if *runs {
                "its relay has not come to it yet"
            } else {
                "no relay runs it; the request waits for one"
            };
            let _ = writeln!(text, "{lane}: {why}");
        }
        text
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let dead: Vec<_> = self
            .outcome
            .dead
            .iter()
            .map(|it| json!({ "code": it.code, "detail": it.detail, "events": it.letters }))
            .collect();
        let open: Vec<_> = self
            .open
            .iter()
            .map(|(lane, runs)| json!({ "pipeline": lane.pipeline, "sink": lane.sink, "running": runs }))
            .collect();
        let Outcome { taken, done, waiting, .. } = &self.outcome;
        json!({ "taken": taken, "through": done, "waiting": waiting, "dead": dead, "open": open })
    }

    fn dead_again(&self) -> u64 {
        self.outcome.dead.iter().map(|it| it.letters).sum()
    }
}
