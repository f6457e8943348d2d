//! Metrics as guests report them. By hand, so that names and labels are read where they lie in the guest's memory: a
//! series that is known already is found without a copy.

use std::borrow::Cow;

use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use crate::plugin::host::metrics::{CallMetrics, Update, may_have};
use crate::plugin::host::state::GuestState;

/// The interface of metrics.
const METRICS: &str = "relay:plugin/metrics@0.1.0";

type Labels = WasmList<(WasmStr, WasmStr)>;

pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    let mut metrics = linker.instance(METRICS)?;
    metrics.func_wrap("add-counter", |store, (name, delta, labels): (WasmStr, u64, Labels)| {
        note(store, &name, &labels, Update::Add(delta))
    })?;
    metrics.func_wrap("set-gauge", |store, (name, value, labels): (WasmStr, f64, Labels)| {
        note(store, &name, &labels, Update::Set(value))
    })?;
    metrics.func_wrap("record-histogram", |store, (name, value, labels): (WasmStr, f64, Labels)| {
        note(store, &name, &labels, Update::Record(value))
    })
}

fn note(
    mut store: StoreContextMut<'_, GuestState>,
    name: &WasmStr,
    labels: &Labels,
    update: Update,
) -> Result<()> {
    if !may_have(labels.len()) {
        // Before they are looked at, of which a guest may name any number.
        let reason = format!("it has {} labels", labels.len());
        store.data_mut().metrics.refuse(reason);
        return Ok(());
    }
    let labels = labels.iter(&mut store)?.collect::<Result<Vec<_>>>()?;
    // The texts borrow from the store, where the metrics are too.
    let mut metrics: CallMetrics = std::mem::take(&mut store.data_mut().metrics);
    let noted = note_in(&store, &mut metrics, name, &labels, update);
    store.data_mut().metrics = metrics;
    noted
}

fn note_in(
    store: &StoreContextMut<'_, GuestState>,
    metrics: &mut CallMetrics,
    name: &WasmStr,
    labels: &[(WasmStr, WasmStr)],
    update: Update,
) -> Result<()> {
    let name = name.to_str(store)?;
    let text = |(label, value): &(WasmStr, WasmStr)| Ok((label.to_str(store)?, value.to_str(store)?));
    let labels = labels.iter().map(text).collect::<Result<Vec<(Cow<'_, str>, Cow<'_, str>)>>>()?;
    metrics.note(&name, &labels, update, store.data().most_series);
    Ok(())
}
