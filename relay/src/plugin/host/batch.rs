//! The batch that a guest is called with.

use std::ops::Range;
use std::sync::Arc;

use relay_engine::event::{Event, EventBatch};
use wasmtime::{Result, format_err};

/// What a guest may ask about while a call lasts.
#[derive(Debug)]
pub(super) struct CurrentBatch {
    /// The name of the source.
    pub(super) source: String,
    events: Arc<EventBatch>,
    /// The events that the guest was given: it counts them from 0.
    range: Range<usize>,
}

impl CurrentBatch {
    pub(super) fn new(source: &str, events: &Arc<EventBatch>, range: Range<usize>) -> Self {
        Self { source: source.to_owned(), events: Arc::clone(events), range }
    }

    /// The event that the guest counts as `index`.
    ///
    /// # Errors
    /// Where it was given no such event.
    pub(super) fn event(&self, index: u32) -> Result<Event<'_>> {
        let event = self.range.clone().nth(index as usize).and_then(|it| self.events.get(it));
        let given = self.range.len();
        event.ok_or_else(|| format_err!("the guest asked about event {index} of a batch of {given}"))
    }
}
