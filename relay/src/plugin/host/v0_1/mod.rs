//! The contract `relay:plugin@0.1.0`: its generated bindings, and the way from and to the relay's own types.

mod answer;
mod batch;
mod event;
mod kv;
mod metrics;

use std::ops::Range;
use std::sync::Arc;

use relay_engine::event::EventBatch;
use relay_engine::verdict::Verdict;
use wasmtime::component::types::{Component, ComponentInstance, ComponentItem};
use wasmtime::component::{ComponentNamedList, HasSelf, Lift, Linker, Lower, WasmStr};
use wasmtime::{Engine, Result, Store, StoreContextMut};

use super::guest::{Description, Problem};
use super::state::GuestState;

pub(super) use bindings::{Transformer, TransformerPre};
pub(super) use event::Scratch;

/// What this version of the contract offers to plugins.
pub(super) const IMPORTS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("batch", &["source", "headers-of", "attributes-of"]),
    ("log", &["write"]),
    ("clock", &["now"]),
    ("kv", &["get", "get-many"]),
    ("metrics", &["add-counter", "set-gauge", "record-histogram"]),
];

/// The interface of the log.
const LOG: &str = "relay:plugin/log@0.1.0";

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/0.1.0",
        world: "transformer",
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: { "relay:plugin/batch": trappable },
    });
}

/// Offers the imports of this version.
pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    use bindings::relay::plugin::{batch, clock, log, types};
    types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    batch::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    clock::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    kv::add_to_linker(linker)?;
    metrics::add_to_linker(linker)?;
    // By hand, so that a line is read where it lies in the guest's memory: generated code would copy all of it
    // before it is cut to its limit, or dropped.
    linker.instance(LOG)?.func_wrap("write", |store, (level, line): (log::Level, WasmStr)| {
        let store: StoreContextMut<'_, GuestState> = store;
        let log = Arc::clone(&store.data().log);
        log.write(tracing_level(level), || line.to_str(&store))
    })
}

/// Compares the types of the functions in `transform`, which `component` exports, with those of this version.
pub(super) fn check_types(
    engine: &Engine,
    component: &Component,
    transform: &ComponentInstance,
) -> Result<()> {
    use bindings::exports::relay::plugin::transform::{Description, Problem};
    use bindings::relay::plugin::types::{Event, Verdict};
    let exported = Exported { engine, component, transform };
    exported.check::<(), (Description,)>("describe")?;
    exported.check::<(&str,), (std::result::Result<(), Vec<Problem>>,)>("configure")?;
    exported.check::<(&[Event<'_>],), (Vec<Verdict>,)>("transform")
}

struct Exported<'a> {
    engine: &'a Engine,
    component: &'a Component,
    transform: &'a ComponentInstance,
}

impl Exported<'_> {
    fn check<Parameters, Answer>(&self, function: &str) -> Result<()>
    where
        Parameters: ComponentNamedList + Lower,
        Answer: ComponentNamedList + Lift,
    {
        match self.transform.get_export(self.engine, function).map(|it| it.ty) {
            Some(ComponentItem::ComponentFunc(it)) => it
                .typecheck::<Parameters, Answer>(&self.component.instance_type())
                .map_err(|error| error.context(format!("function `{function}`"))),
            _ => wasmtime::bail!("there is no function `{function}`"),
        }
    }
}

pub(super) fn describe(guest: &Transformer, store: &mut Store<GuestState>) -> Result<Description> {
    let said = guest.relay_plugin_transform().call_describe(store)?;
    Ok(Description {
        name: said.name,
        version: said.version,
        summary: said.summary,
        config_schema: said.config_schema,
    })
}

pub(super) fn configure(
    guest: &Transformer,
    store: &mut Store<GuestState>,
    config: &str,
) -> Result<Vec<Problem>> {
    let answer = guest.relay_plugin_transform().call_configure(store, config)?;
    let problems = answer.err().unwrap_or_default();
    Ok(problems.into_iter().map(|it| Problem { path: it.path, message: it.message }).collect())
}

/// One verdict per event of `range`, if the guest keeps to the contract.
pub(super) fn transform(
    guest: &Transformer,
    store: &mut Store<GuestState>,
    events: &EventBatch,
    range: Range<usize>,
    scratch: &mut Scratch,
) -> Result<impl ExactSizeIterator<Item = Verdict> + use<>> {
    let verdicts = scratch
        .with_events(events, range, |events| guest.relay_plugin_transform().call_transform(store, events))?;
    Ok(verdicts.into_iter().map(answer::verdict))
}

fn tracing_level(level: bindings::relay::plugin::log::Level) -> tracing::Level {
    use bindings::relay::plugin::log::Level;
    match level {
        Level::Trace => tracing::Level::TRACE,
        Level::Debug => tracing::Level::DEBUG,
        Level::Info => tracing::Level::INFO,
        Level::Warn => tracing::Level::WARN,
        Level::Error => tracing::Level::ERROR,
    }
}

impl bindings::relay::plugin::types::Host for GuestState {}

impl bindings::relay::plugin::clock::Host for GuestState {
    fn now(&mut self) -> u64 {
        self.now
    }
}
