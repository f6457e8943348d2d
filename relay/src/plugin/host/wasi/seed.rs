//! The seeds of a runtime's own generators.

use wasmtime::component::LinkerInstance;
use wasmtime::{Result, StoreContextMut};

use super::Powerless;
use crate::plugin::host::state::GuestState;

/// The same at every start, so that an instance does what the one before it did. It defends against nothing: events
/// that make a hash table slow cost their own time.
const START: u64 = 0x6f75_7462_6f78_2072;

/// What the state moves by, and the multipliers that mix it: those of the generator SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIXERS: [(u32, u64); 2] = [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)];

/// Bytes that one call gives at most; seeds have some thousands.
pub(super) const MOST: u64 = 64 << 10;

/// Numbers that are the same at every start of an instance.
#[derive(Debug, Clone)]
pub(in crate::plugin::host) struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        Self(START)
    }
}

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mixed =
            MIXERS.iter().fold(self.0, |it, (shift, factor)| (it ^ (it >> shift)).wrapping_mul(*factor));
        mixed ^ (mixed >> 31)
    }

    pub(super) fn bytes(&mut self, length: u64) -> Vec<u8> {
        let length = usize::try_from(length.min(MOST)).unwrap_or_default();
        let words = std::iter::repeat_with(|| self.next().to_le_bytes());
        words.take(length.div_ceil(8)).flatten().take(length).collect()
    }
}

/// Defines a function of one of the interfaces of `wasi:random`.
pub(super) fn define(
    stubs: &mut LinkerInstance<'_, GuestState>,
    interface: &str,
    function: &str,
) -> Result<bool> {
    let name = format!("{interface}#{function}");
    match function {
        // A hash table may be made at any time, and its order is nobody's business.
        "insecure-seed" => {
            stubs.func_wrap(function, |_, ()| {
                let mut seed = Seed::default();
                Ok(((seed.next(), seed.next()),))
            })?;
        }
        "get-random-bytes" | "get-insecure-random-bytes" => {
            stubs.func_wrap(function, move |mut store, (length,): (u64,)| {
                Ok((seed(&mut store, &name)?.bytes(length),))
            })?;
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            stubs.func_wrap(function, move |mut store, ()| Ok((seed(&mut store, &name)?.next(),)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The instance's seed, as long as it has seen no event.
fn seed<'s>(store: &'s mut StoreContextMut<'_, GuestState>, name: &str) -> Result<&'s mut Seed> {
    let powerless = || Powerless { function: name.to_owned() };
    store.data_mut().seed.as_mut().ok_or_else(|| powerless().into())
}
