//! A plugin of any version of the contract, seen as one.

use std::ops::Range;
use std::sync::Arc;

use relay_engine::event::EventBatch;
use relay_engine::verdict::Verdict;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result, Store};

use super::contract::Contract;
use super::state::GuestState;
use super::{v0_1, wasi};
use crate::plugin::Tables;

/// What a plugin says about itself, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name; the configuration may call it otherwise.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence for operators.
    pub summary: String,
    /// JSON Schema of its configuration; `None`: it takes none.
    pub config_schema: Option<String>,
}

/// Something wrong with a plugin's configuration.
#[derive(Debug)]
pub(super) struct Problem {
    /// JSON Pointer, empty for the whole.
    pub(super) path: String,
    pub(super) message: String,
}

/// A component linked to the version of the contract that it was built for.
pub(super) enum Linked {
    V0_1(v0_1::TransformerPre<GuestState>),
}

/// One instance.
pub(super) enum Guest {
    V0_1(v0_1::Transformer),
}

/// Room for a batch on its way into a guest, kept between calls.
#[derive(Default)]
pub(super) struct Scratch {
    v0_1: v0_1::Scratch,
}

/// The part of a batch that one call is about.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) source: &'a str,
    pub(super) events: &'a Arc<EventBatch>,
    pub(super) range: Range<usize>,
    /// Microseconds since the Unix epoch: what the guest's clock shows.
    pub(super) now: u64,
    /// The lookup tables that the guest may read.
    pub(super) tables: &'a Tables,
}

impl Linked {
    /// Links `component`; none of its code runs.
    pub(super) fn new(engine: &Engine, component: &Component, contract: Contract) -> Result<Self> {
        let mut linker = Linker::new(engine);
        wasi::add_to_linker(&mut linker, engine, component)?;
        match contract {
            Contract::V0_1 => {
                v0_1::add_to_linker(&mut linker)?;
                Ok(Self::V0_1(v0_1::TransformerPre::new(linker.instantiate_pre(component)?)?))
            }
        }
    }

    pub(super) fn instantiate(&self, store: &mut Store<GuestState>) -> Result<Guest> {
        match self {
            Self::V0_1(linked) => linked.instantiate(store).map(Guest::V0_1),
        }
    }
}

impl Guest {
    pub(super) fn describe(&self, store: &mut Store<GuestState>) -> Result<Description> {
        match self {
            Self::V0_1(guest) => v0_1::describe(guest, store),
        }
    }

    /// The problems found; none: the configuration is taken.
    pub(super) fn configure(&self, store: &mut Store<GuestState>, config: &str) -> Result<Vec<Problem>> {
        match self {
            Self::V0_1(guest) => v0_1::configure(guest, store, config),
        }
    }

    /// The verdicts of `part`, one per event if the guest keeps to the contract.
    pub(super) fn transform(
        &self,
        store: &mut Store<GuestState>,
        part: &Part<'_>,
        scratch: &mut Scratch,
    ) -> Result<impl ExactSizeIterator<Item = Verdict> + use<>> {
        match self {
            Self::V0_1(guest) => {
                let range = part.range.clone();
                v0_1::transform(guest, store, part.events, range, &mut scratch.v0_1)
            }
        }
    }
}
