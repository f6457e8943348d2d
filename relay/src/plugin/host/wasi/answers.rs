//! The functions of WASI that have an answer.

use wasmtime::component::{ComponentNamedList, ComponentType, LinkerInstance, Lower, Resource, WasmList};
use wasmtime::{Result, StoreContextMut};

use super::printed::Stream;
use super::{Handle, seed, short};
use crate::plugin::host::state::GuestState;

/// Bytes that a stream takes at once: as many as a guest likes, since they are cut to the limit of a line.
const WRITABLE: u64 = 1 << 20;

/// What clocks promise: the frozen time has microseconds.
const RESOLUTION: u64 = 1_000;

/// Nanoseconds of a microsecond.
const NANOS_OF_MICRO: u64 = 1_000;

/// Microseconds of a second.
const MICROS_OF_SECOND: u64 = 1_000_000;

/// The number of the stream that has nothing to read.
const INPUT: u32 = 0;

/// `datetime` of `wasi:clocks/wall-clock`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// `stream-error` of `wasi:io/streams`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "a case of the interface that no stub needs")]
    LastOperationFailed(Resource<Handle>),
    #[component(name = "closed")]
    Closed,
}

type Written = std::result::Result<(), StreamError>;

/// Defines `function` of `interface` if it has an answer.
pub(super) fn define(
    stubs: &mut LinkerInstance<'_, GuestState>,
    interface: &str,
    function: &str,
) -> Result<bool> {
    match (short(interface), function) {
        ("cli/environment", "get-environment") => empty::<Vec<(String, String)>>(stubs, function)?,
        ("cli/environment", "get-arguments") => empty::<Vec<String>>(stubs, function)?,
        ("cli/environment", "initial-cwd") => empty::<Option<String>>(stubs, function)?,
        ("filesystem/preopens", "get-directories") => {
            empty::<Vec<(Resource<Handle>, String)>>(stubs, function)?;
        }
        (
            "cli/terminal-stdin" | "cli/terminal-stdout" | "cli/terminal-stderr",
            "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr",
        ) => empty::<Option<Resource<Handle>>>(stubs, function)?,
        ("cli/stdin", "get-stdin") => stream(stubs, function, INPUT)?,
        ("cli/stdout", "get-stdout") => stream(stubs, function, Stream::Out.number())?,
        ("cli/stderr", "get-stderr") => stream(stubs, function, Stream::Error.number())?,
        ("random/random" | "random/insecure" | "random/insecure-seed", _) => {
            return seed::define(stubs, interface, function);
        }
        ("io/streams", _) => return stream_function(stubs, function),
        ("clocks/wall-clock" | "clocks/monotonic-clock", _) => {
            return clock(stubs, short(interface), function);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn empty<T>(stubs: &mut LinkerInstance<'_, GuestState>, function: &str) -> Result<()>
where
    T: Default + 'static,
    (T,): ComponentNamedList + Lower,
{
    stubs.func_wrap(function, |_, ()| Ok((T::default(),)))
}

fn stream(stubs: &mut LinkerInstance<'_, GuestState>, function: &str, number: u32) -> Result<()> {
    stubs.func_wrap(function, move |_, ()| Ok((Resource::<Handle>::new_own(number),)))
}

fn clock(stubs: &mut LinkerInstance<'_, GuestState>, interface: &str, function: &str) -> Result<bool> {
    let now = |store: &StoreContextMut<'_, GuestState>| store.data().now;
    match (interface, function) {
        ("clocks/wall-clock", "now") => {
            stubs.func_wrap(function, move |store, ()| Ok((datetime(now(&store)),)))?;
        }
        ("clocks/wall-clock", "resolution") => stubs.func_wrap(function, |_, ()| Ok((datetime(1),)))?,
        ("clocks/monotonic-clock", "now") => {
            stubs.func_wrap(function, move |store, ()| Ok((now(&store).saturating_mul(NANOS_OF_MICRO),)))?;
        }
        ("clocks/monotonic-clock", "resolution") => stubs.func_wrap(function, |_, ()| Ok((RESOLUTION,)))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn datetime(micros: u64) -> Datetime {
    // Less than a second of nanoseconds always fits.
    let nanoseconds = u32::try_from(micros % MICROS_OF_SECOND * NANOS_OF_MICRO).unwrap_or_default();
    Datetime { seconds: micros / MICROS_OF_SECOND, nanoseconds }
}

fn stream_function(stubs: &mut LinkerInstance<'_, GuestState>, function: &str) -> Result<bool> {
    match function {
        "[method]output-stream.check-write" => stubs
            .func_wrap(function, |_, (_,): (Resource<Handle>,)| {
                Ok((std::result::Result::<u64, StreamError>::Ok(WRITABLE),))
            })?,
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            stubs.func_wrap(function, print)?;
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            stubs.func_wrap(function, |_, (_,): (Resource<Handle>,)| Ok((Written::Ok(()),)))?;
        }
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            stubs.func_wrap(function, |_, (_, _): (Resource<Handle>, u64)| {
                Ok((std::result::Result::<Vec<u8>, _>::Err(StreamError::Closed),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Hands what a guest prints to the log, read where it lies in the guest's memory.
fn print(
    mut store: StoreContextMut<'_, GuestState>,
    (stream, bytes): (Resource<Handle>, WasmList<u8>),
) -> Result<(Written,)> {
    let Some(stream) = Stream::of_number(stream.rep()) else { return Ok((Err(StreamError::Closed),)) };
    let mut printed = std::mem::take(&mut store.data_mut().printed);
    printed.print(stream, bytes.as_le_slice(&store), &store.data().log);
    store.data_mut().printed = printed;
    Ok((Ok(()),))
}
