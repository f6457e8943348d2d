//! What guests ask about the batch that they are called with.

use wasmtime::{Result, format_err};

use super::bindings::relay::plugin::batch::{Attributes, Headers, Host};
use crate::plugin::host::batch::CurrentBatch;
use crate::plugin::host::state::GuestState;

impl Host for GuestState {
    fn source(&mut self) -> Result<String> {
        Ok(current(self)?.source.clone())
    }

    fn headers_of(&mut self, event: u32) -> Result<Headers> {
        let event = current(self)?.event(event)?;
        Ok(event.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect())
    }

    fn attributes_of(&mut self, event: u32) -> Result<Attributes> {
        let event = current(self)?.event(event)?;
        Ok(event.attributes().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

fn current(state: &GuestState) -> Result<&CurrentBatch> {
    state.batch.as_ref().ok_or_else(|| format_err!("the guest asked about its batch outside of `transform`"))
}
