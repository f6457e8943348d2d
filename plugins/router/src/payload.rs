//! A payload that is read as JSON only once something asks for a place in it.

use std::cell::OnceCell;

use relay_plugin_sdk::json::{Document, Node, Pointer};
use relay_plugin_sdk::{Event, Fault};

/// An event's payload, read as JSON at most once and only if asked.
#[derive(Debug)]
pub(crate) struct Payload<'e> {
    event: &'e Event,
    document: OnceCell<Result<Document<'e>, Fault>>,
}

impl<'e> Payload<'e> {
    /// The payload of `event`, unread.
    pub(crate) fn of(event: &'e Event) -> Self {
        Self { event, document: OnceCell::new() }
    }

    /// The value at `pointer`; `None` where there is none, and for a tombstone.
    ///
    /// # Errors
    /// A rejection where the payload is not JSON.
    pub(crate) fn at(&self, pointer: &Pointer) -> Result<Option<Node<'e>>, Fault> {
        if self.event.payload().is_none() {
            return Ok(None);
        }
        match self.document.get_or_init(|| self.event.document()) {
            Ok(document) => Ok(document.at(pointer)),
            Err(fault) => Err(fault.clone()),
        }
    }

    /// Whether something asked for it.
    #[cfg(test)]
    pub(crate) fn is_read(&self) -> bool {
        self.document.get().is_some()
    }
}
