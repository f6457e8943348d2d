//! Lookups as guests ask for them. By hand, so that names and keys are read where they lie in the guest's memory, and
//! values are copied once, from the table into the guest.

use std::sync::Arc;

use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::bindings::relay::plugin::kv::Error;
use crate::plugin::host::lookup::{LookupReads, Unanswered};
use crate::plugin::host::state::GuestState;

/// The interface of lookups.
const KV: &str = "relay:plugin/kv@0.1.0";

type Value = Option<Arc<[u8]>>;
type Answer<T> = (std::result::Result<T, Error>,);

pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    let mut kv = linker.instance(KV)?;
    kv.func_wrap("get", |store, (table, key): (WasmStr, WasmStr)| -> Result<Answer<Value>> {
        let values = answer(store, &table, &[key])?;
        Ok((values.map(|mut all| all.pop().flatten()),))
    })?;
    kv.func_wrap("get-many", |mut store, (table, keys): (WasmStr, WasmList<WasmStr>)| {
        let asked: &mut StoreContextMut<'_, GuestState> = &mut store;
        // Before the keys are looked at, of which a guest may name any number.
        if asked.data_mut().lookup.ask(keys.len()).is_err() {
            return Err(used_up());
        }
        let keys = keys.iter(&mut store)?.collect::<Result<Vec<_>>>()?;
        let answer: Answer<Vec<Value>> = (answer(store, &table, &keys)?,);
        Ok(answer)
    })
}

fn answer(
    mut store: StoreContextMut<'_, GuestState>,
    table: &WasmStr,
    keys: &[WasmStr],
) -> Result<std::result::Result<Vec<Value>, Error>> {
    // The text of keys borrows from the store, where the count is too.
    let mut reads: LookupReads = std::mem::take(&mut store.data_mut().lookup);
    let values = look_up(&store, &mut reads, table, keys);
    store.data_mut().lookup = reads;
    match values? {
        Ok(values) => Ok(Ok(values)),
        Err(Unanswered::Denied(why)) => Ok(Err(Error::Denied(why))),
        Err(Unanswered::Unavailable(why)) => Ok(Err(Error::Unavailable(why.to_owned()))),
        Err(Unanswered::TooLarge(size)) => Ok(Err(Error::TooLarge(size as u64))),
        Err(Unanswered::UsedUp) => Err(used_up()),
    }
}

fn look_up(
    store: &StoreContextMut<'_, GuestState>,
    reads: &mut LookupReads,
    table: &WasmStr,
    keys: &[WasmStr],
) -> Result<std::result::Result<Vec<Value>, Unanswered>> {
    let table = table.to_str(store)?;
    let keys = keys.iter().map(|key| key.to_str(store)).collect::<Result<Vec<_>>>()?;
    Ok(reads.values(&table, keys.iter().map(|key| &**key)))
}

/// Ends the call; what it was is told from the guest's state.
fn used_up() -> wasmtime::Error {
    wasmtime::format_err!("the guest read more from lookup tables than it may")
}
