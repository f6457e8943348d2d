//! What a guest's failure was, in words for the operator.

use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use crate::plugin::Fault;

use super::log::printable;
use super::state::GuestState;
use super::wasi::Powerless;

/// The guest trapped.
pub(super) const TRAP: &str = "P120";
/// The guest used up its CPU time.
pub(super) const TIME: &str = "P121";
/// The guest asked for more memory than it may have.
pub(super) const MEMORY: &str = "P122";
/// The guest answered with more or fewer verdicts than events.
pub(super) const LENGTH: &str = "P123";
/// The guest's answer is larger than it may be.
pub(super) const OUTPUT: &str = "P124";
/// The guest's answer breaks a rule for messages.
pub(super) const MESSAGE: &str = "P125";
/// No instance could be made of a build that was fine when it was loaded.
pub(super) const INSTANCE: &str = "P126";

/// The guest read more from lookup tables than one event may.
pub(super) const LOOKUP: &str = "P128";

/// The plugin called something of WASI that it has no power over.
pub(super) const POWERLESS: &str = "P129";

/// The plugin failed on nearly every event, and is not asked for a while.
pub(super) const FAILING: &str = "P127";

/// A build on probation rejected the event.
pub(super) const REJECTED: &str = "P161";

/// Frames of a guest's backtrace that an operator gets to see.
const FRAMES: usize = 8;

/// Bytes of one function's name that are kept. The guest chose it, and it goes into logs, dead letters and screens.
const LONGEST_NAME: usize = 120;

/// Bytes of a reason that are kept; it may quote the guest too.
const LONGEST_CAUSE: usize = 400;

/// What wasmtime says when a guest hands over more than it may; its error type is private.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";

/// Says what ended a call into the guest.
pub(super) fn of_call(error: &wasmtime::Error, state: &GuestState) -> Fault {
    if state.deadline.passed() {
        let limit = state.deadline.limit();
        return Fault { code: TIME, detail: format!("used its {limit:?} of CPU time{}", backtrace(error)) };
    }
    if let Some(wanted) = state.memory.refused() {
        let limit = state.memory.limit() >> 10;
        let detail = format!(
            "asked for {} KiB of memory where the limit is {limit} KiB{}",
            wanted >> 10,
            backtrace(error)
        );
        return Fault { code: MEMORY, detail };
    }
    if let Some(wanted) = state.lookup.refused() {
        let allowed = state.lookup.allowed();
        let detail =
            format!("read {wanted} bytes from lookup tables where {allowed} are allowed{}", backtrace(error));
        return Fault { code: LOOKUP, detail };
    }
    let cause = cause(error);
    if cause.contains(TOO_MUCH_DATA) {
        return Fault {
            code: OUTPUT,
            detail: "an answer, or what a call brings, is larger than the plugin's output limit".to_owned(),
        };
    }
    let code = if error.is::<Powerless>() { POWERLESS } else { TRAP };
    Fault { code, detail: format!("{cause}{}", backtrace(error)) }
}

/// The innermost reason, without the backtrace that wasmtime adds to it.
pub(super) fn cause(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => printable(&error.root_cause().to_string(), LONGEST_CAUSE),
    }
}

/// ` at inner < outer < …`, or nothing where no guest code was running.
fn backtrace(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let mut text = String::new();
    let frames = backtrace.frames().iter().map(name_of).skip_while(|name| is_of_panics(name));
    for (index, name) in frames.take(FRAMES).enumerate() {
        text.push_str(if index == 0 { " at " } else { " < " });
        text.push_str(&printable(&name, LONGEST_NAME));
    }
    text
}

fn name_of(frame: &FrameInfo) -> String {
    let symbol = frame.symbols().first().and_then(|symbol| symbol.name());
    let name = symbol.or_else(|| frame.func_name());
    // Without the hash that Rust ends its own names with; other names stay as they are.
    let readable = |name: &str| format!("{:#}", rustc_demangle::demangle(name));
    name.map_or_else(|| format!("function {}", frame.func_index()), readable)
}

/// How Rust panics takes up to ten frames, and says nothing of where.
fn is_of_panics(name: &str) -> bool {
    let panics =
        ["core::panicking::", "std::panicking::", "std::sys::", "rust_panic", "panic_unwind", "__rust"];
    panics.iter().any(|it| name.contains(it)) || name.contains("panic_handler")
}
