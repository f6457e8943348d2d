//! The thread that runs the other build.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tracing::{Dispatch, dispatcher};

use crate::plugin::{Answer, Generation};

use super::compare::differences;
use super::tap::{Sample, Tally};

/// How often it is told how many events were compared.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Events that are told one by one in that time: where many differ, a few show how.
const TOLD: usize = 10;

pub(super) struct Worker {
    pub(super) plugin: String,
    pub(super) generation: Arc<dyn Generation>,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) tally: Arc<Tally>,
}

impl Worker {
    /// Compares what comes until nobody sends any more.
    pub(super) fn run(&self, samples: &Receiver<Sample>) {
        let mut other = match self.generation.instantiate() {
            Ok(other) => other,
            Err(error) => {
                tracing::error!(plugin = self.plugin, "the build beside the live one does not run: {error}");
                return;
            }
        };
        // The live build counts the same events.
        other.mute();
        let (mut told, mut since) = (0, Instant::now());
        let mut answers = Vec::new();
        while let Ok(sample) = samples.recv() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            answers.clear();
            other.freeze_clock(sample.now);
            other.freeze_tables(sample.tables.clone());
            // What it logs, and what is logged of its faults, reads as if the live build did it.
            dispatcher::with_default(&Dispatch::none(), || {
                other.run(&sample.source, &sample.events, &mut answers);
            });
            self.compare(&sample, &answers, &mut told);
            if since.elapsed() >= TELL_EVERY {
                self.tell(&sample.running);
                (told, since) = (0, Instant::now());
            }
        }
    }

    fn compare(&self, sample: &Sample, answers: &[Answer], told: &mut usize) {
        let (mut compared, mut differing, mut skipped) = (0, 0, 0);
        for ((event, live), other) in sample.events.iter().zip(&sample.answers).zip(answers) {
            // A build that rests after many faults was not asked.
            if matches!(live, Answer::Failing(_)) || matches!(other, Answer::Failing(_)) {
                skipped += 1;
                continue;
            }
            compared += 1;
            let found = differences(event.payload(), live, other);
            if found.is_empty() {
                continue;
            }
            differing += 1;
            if *told < TOLD {
                *told += 1;
                tracing::warn!(
                    plugin = self.plugin,
                    running = &*sample.running,
                    shadow = self.generation.identity().short_digest(),
                    event = event.id(),
                    "shadow: the event comes out otherwise: {}",
                    found.join("; ")
                );
            }
        }
        self.tally.add(&self.plugin, compared, differing, skipped);
    }

    fn tell(&self, running: &str) {
        let (compared, differing, skipped) = self.tally.so_far();
        tracing::info!(
            plugin = self.plugin,
            running,
            shadow = self.generation.identity().short_digest(),
            compared,
            differing,
            skipped,
            "shadow: events went through both builds"
        );
    }
}
