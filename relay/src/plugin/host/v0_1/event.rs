//! Events on their way into a guest: borrowed from their batch, never copied on the host.

use std::ops::Range;

use relay_engine::event::EventBatch;

use super::bindings::relay::plugin::types::Event;

type Header<'a> = (&'a str, &'a [u8]);
type Attribute<'a> = (&'a str, &'a str);

/// Room for the records of a batch, kept between calls.
#[derive(Default)]
pub(in crate::plugin::host) struct Scratch {
    headers: Vec<Header<'static>>,
    attributes: Vec<Attribute<'static>>,
    events: Vec<Event<'static>>,
}

impl Scratch {
    /// Calls `call` with the records of the events of `range`.
    pub(super) fn with_events<T>(
        &mut self,
        source: &str,
        events: &EventBatch,
        range: Range<usize>,
        call: impl FnOnce(&[Event<'_>]) -> T,
    ) -> T {
        let mut headers = emptied(std::mem::take(&mut self.headers));
        let mut attributes = emptied(std::mem::take(&mut self.attributes));
        for event in range.clone().filter_map(|index| events.get(index)) {
            headers.extend(event.headers());
            attributes.extend(event.attributes());
        }
        let mut records = emptied(std::mem::take(&mut self.events));
        let (mut rest_of_headers, mut rest_of_attributes) = (headers.as_slice(), attributes.as_slice());
        for event in range.filter_map(|index| events.get(index)) {
            let (own_headers, rest) = rest_of_headers.split_at(event.headers().len());
            rest_of_headers = rest;
            let (own_attributes, rest) = rest_of_attributes.split_at(event.attributes().len());
            rest_of_attributes = rest;
            records.push(Event {
                id: event.id(),
                source,
                sequence: event.sequence(),
                aggregate_type: event.aggregate_type(),
                aggregate_id: event.aggregate_id(),
                event_type: event.event_type(),
                content_type: event.content_type(),
                payload: event.payload(),
                headers: own_headers,
                occurred_at: event.occurred_at(),
                attempt: event.attempt(),
                attributes: own_attributes,
            });
        }
        let answer = call(&records);
        self.events = emptied(records);
        self.headers = emptied(headers);
        self.attributes = emptied(attributes);
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
        let full: Vec<Header<'_>> = vec![("name", b"value"); 100];
        let memory = full.as_ptr() as usize;
        let empty: Vec<Header<'static>> = emptied(full);
        assert!(empty.is_empty());
        assert_eq!((empty.as_ptr() as usize, empty.capacity()), (memory, 100));
    }
}
