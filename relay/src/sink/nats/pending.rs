//! Publishes that wait for their acknowledgement.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use relay_engine::outcome::Failure;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::classify;
use crate::sink::{Report, Reports};

/// One publish.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) batch_id: u64,
    pub(super) index: u32,
    pub(super) subject: String,
    /// Its place in the window, given back when this is dropped.
    pub(super) _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Waiting {
    publish: Publish,
    deadline: Instant,
}

/// All publishes that wait, by ascending number; the time to wait is the same for all, so deadlines ascend too.
#[derive(Debug)]
pub(super) struct Pending {
    waiting: Mutex<(u64, BTreeMap<u64, Waiting>)>,
    timeout: Duration,
    reports: Reports,
}

/// Answers gathered into one report per batch.
pub(super) type Gathered = BTreeMap<u64, Report>;

impl Pending {
    pub(super) fn new(timeout: Duration, reports: Reports) -> Self {
        Self { waiting: Mutex::default(), timeout, reports }
    }

    fn waiting(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Waiting>)> {
        // Every change is complete before anything that could panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a publish that is about to be sent, and returns its number.
    pub(super) fn add(&self, publish: Publish) -> u64 {
        let deadline = Instant::now() + self.timeout;
        let mut waiting = self.waiting();
        let number = waiting.0;
        waiting.0 += 1;
        waiting.1.insert(number, Waiting { publish, deadline });
        number
    }

    /// Adds the answer to publish `number` to `gathered`. One that nobody waits for any more changes nothing.
    pub(super) fn answer(
        &self,
        gathered: &mut Gathered,
        number: u64,
        judge: impl FnOnce(&str) -> Result<(), Failure>,
    ) {
        let Some(found) = self.waiting().1.remove(&number) else { return };
        let outcome = judge(&found.publish.subject);
        gather(gathered, &found.publish, outcome);
    }

    /// Adds as unknown what has waited too long.
    pub(super) fn expire(&self, gathered: &mut Gathered, because: &str) {
        let now = Instant::now();
        let mut waiting = self.waiting();
        while let Some(first) = waiting.1.first_entry().filter(|it| it.get().deadline <= now) {
            let publish = first.remove().publish;
            let detail = format!("no answer for {:?} in {:?}{because}", publish.subject, self.timeout);
            gather(gathered, &publish, Err(classify::unknown(detail)));
        }
    }

    /// Adds as unknown all that waits.
    pub(super) fn lose_all(&self, gathered: &mut Gathered, why: &str) {
        let all = std::mem::take(&mut self.waiting().1);
        for found in all.into_values() {
            gather(gathered, &found.publish, Err(classify::unknown(why)));
        }
    }

    /// Reports what was gathered.
    pub(super) fn report(&self, gathered: Gathered) {
        for report in gathered.into_values() {
            // A lane that went away needs no report.
            let _ = self.reports.send(report);
        }
    }

    /// Reports one message that never waited.
    pub(super) fn report_failure(&self, batch_id: u64, index: u32, failure: Failure) {
        let _ = self.reports.send(Report { batch_id, delivered: Vec::new(), failed: vec![(index, failure)] });
    }
}

fn gather(gathered: &mut Gathered, publish: &Publish, outcome: Result<(), Failure>) {
    let batch_id = publish.batch_id;
    let empty = || Report { batch_id, delivered: Vec::new(), failed: Vec::new() };
    let report = gathered.entry(batch_id).or_insert_with(empty);
    match outcome {
        Ok(()) => report.delivered.push(publish.index),
        Err(failure) => report.failed.push((publish.index, failure)),
    }
}
