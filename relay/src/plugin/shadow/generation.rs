//! A build whose batches are also seen by another one.

use std::sync::Arc;
use std::time::Instant;

use relay_engine::event::EventBatch;

use crate::plugin::port::now;
use crate::plugin::{Answer, Generation, Identity, Permissions, Plugin, PluginError, Record, Tables};

use super::tap::{Sample, ShadowTap};

/// `generation`, whose batches go to `tap` as well.
#[must_use]
pub fn shadowed(generation: Arc<dyn Generation>, tap: &Arc<ShadowTap>) -> Arc<dyn Generation> {
    Arc::new(Shadowed { generation, tap: Arc::clone(tap) })
}

struct Shadowed {
    generation: Arc<dyn Generation>,
    tap: Arc<ShadowTap>,
}

impl Generation for Shadowed {
    fn identity(&self) -> &Identity {
        self.generation.identity()
    }

    fn permissions(&self) -> Permissions {
        self.generation.permissions()
    }

    fn record(&self) -> Arc<Record> {
        self.generation.record()
    }

    fn instantiate(&self) -> Result<Box<dyn Plugin>, PluginError> {
        let plugin = self.generation.instantiate()?;
        let running = self.generation.identity().short_digest().to_owned();
        let tap = Arc::clone(&self.tap);
        Ok(Box::new(ShadowedPlugin { plugin, running: running.into(), tap, sets_clock: false }))
    }
}

struct ShadowedPlugin {
    plugin: Box<dyn Plugin>,
    running: Arc<str>,
    tap: Arc<ShadowTap>,
    /// Whether the plugin's clock has to be set for each batch: once it was, it shows nothing else.
    sets_clock: bool,
}

impl Plugin for ShadowedPlugin {
    fn run(&mut self, source: &str, events: &Arc<EventBatch>, answers: &mut Vec<Answer>) {
        self.sets_clock |= self.tap.is_on();
        if !self.sets_clock {
            return self.plugin.run(source, events, answers);
        }
        // Both builds see the same time and the same tables, or every plugin that uses them would differ.
        let now = now();
        self.plugin.freeze_clock(now);
        let tables = self.plugin.tables();
        self.plugin.freeze_tables(tables.clone());
        let first = answers.len();
        self.plugin.run(source, events, answers);
        if !self.tap.is_on() {
            return;
        }
        self.tap.offer(events.len(), || Sample {
            source: source.to_owned(),
            running: Arc::clone(&self.running),
            now,
            tables,
            events: Arc::clone(events),
            answers: answers[first..].to_vec(),
        });
    }

    fn freeze_clock(&mut self, now: u64) {
        self.plugin.freeze_clock(now);
    }

    fn mute(&mut self) {
        self.plugin.mute();
    }

    fn freeze_tables(&mut self, tables: Tables) {
        self.plugin.freeze_tables(tables);
    }

    fn tables(&self) -> Tables {
        self.plugin.tables()
    }

    fn memory(&self) -> Option<usize> {
        self.plugin.memory()
    }

    fn rests_until(&self) -> Option<Instant> {
        self.plugin.rests_until()
    }
}
