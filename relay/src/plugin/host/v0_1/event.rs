//! Events on their way into a guest: borrowed from their batch, never copied on the host.

use std::ops::Range;

use relay_engine::event::EventBatch;

use super::bindings::relay::plugin::types::Event;

/// Room for the records of a batch, kept between calls.
#[derive(Default)]
pub(in crate::plugin::host) struct Scratch(Vec<Event<'static>>);

impl Scratch {
    /// Calls `call` with the records of the events of `range`.
    pub(super) fn with_events<T>(
        &mut self,
        events: &EventBatch,
        range: Range<usize>,
        call: impl FnOnce(&[Event<'_>]) -> T,
    ) -> T {
        let mut records = emptied(std::mem::take(&mut self.0));
        records.extend(range.filter_map(|index| events.get(index)).map(|event| Event {
            id: event.id(),
            sequence: event.sequence(),
            aggregate_type: event.aggregate_type(),
            aggregate_id: event.aggregate_id(),
            event_type: event.event_type(),
            content_type: event.content_type(),
            payload: event.payload(),
            occurred_at: event.occurred_at(),
            attempt: event.attempt(),
        }));
        let answer = call(&records);
        self.0 = emptied(records);
        answer
    }
}

/// The memory of `vec` for elements that borrow from somewhere else: an in-place collect keeps the allocation.
fn emptied<From, To>(mut vec: Vec<From>) -> Vec<To> {
    vec.clear();
    vec.into_iter().filter_map(|_| None).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_vector_keeps_its_memory() {
        let full: Vec<&str> = vec!["value"; 100];
        let memory = full.as_ptr() as usize;
        let empty: Vec<&'static str> = emptied(full);
        assert!(empty.is_empty());
        assert_eq!((empty.as_ptr() as usize, empty.capacity()), (memory, 100));
    }
}
