//! What a guest's failure was, in words for the operator.

use wasmtime::Trap;

use crate::plugin::Fault;

use super::backtrace;
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

/// Bytes of a reason that are kept; it may quote the guest too.
const LONGEST_CAUSE: usize = 400;

/// What wasmtime says when a guest hands over more than it may; its error type is private.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";

/// Says what ended a call into the guest.
pub(super) fn of_call(error: &wasmtime::Error, state: &GuestState) -> Fault {
    if state.deadline.passed() {
        let limit = state.deadline.limit();
        return Fault {
            code: TIME,
            detail: format!("used its {limit:?} of CPU time{}", backtrace::of(error)),
        };
    }
    if let Some(wanted) = state.memory.refused() {
        let limit = state.memory.limit() >> 10;
        let detail = format!(
            "asked for {} KiB of memory where the limit is {limit} KiB{}",
            wanted >> 10,
            backtrace::of(error)
        );
        return Fault { code: MEMORY, detail };
    }
    if let Some(wanted) = state.lookup.refused() {
        let allowed = state.lookup.allowed();
        let detail = format!(
            "read {wanted} bytes from lookup tables where {allowed} are allowed{}",
            backtrace::of(error)
        );
        return Fault { code: LOOKUP, detail };
    }
    let cause = cause(error);
    if cause.contains(TOO_MUCH_DATA) {
        return Fault {
            code: OUTPUT,
            detail: "an answer, or what a call brings, is larger than the plugin's output limit".to_owned(),
        };
    }
    // An author sees the words of the panic with its place; in production they are in the log alone, because a panic
    // may quote the payload.
    let panic = state.log.panic().filter(|_| backtrace::knows_source(error));
    let cause = panic.unwrap_or(cause);
    let code = if error.is::<Powerless>() { POWERLESS } else { TRAP };
    Fault { code, detail: format!("{cause}{}", backtrace::of(error)) }
}

/// The innermost reason, without the backtrace that wasmtime adds to it.
pub(super) fn cause(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => printable(&error.root_cause().to_string(), LONGEST_CAUSE),
    }
}
