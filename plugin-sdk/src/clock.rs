//! Time that does not move within a batch, so that running a batch again gives the same messages.

/// Microseconds since the Unix epoch, frozen for the batch. Natively, in tests, it stands at 0, or at what a golden
/// case says.
///
/// ```
/// use relay_plugin_sdk::clock;
///
/// let before = clock::now();
/// assert_eq!(clock::now(), before, "it does not move while a batch runs");
/// ```
#[must_use]
pub fn now() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::relay::plugin::clock::now();
    #[cfg(not(target_arch = "wasm32"))]
    return NATIVE.get();
}

#[cfg(not(target_arch = "wasm32"))]
thread_local! {
    static NATIVE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// What `work` returns while the clock stands at `now`.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn at<T>(now: u64, work: impl FnOnce() -> T) -> T {
    let before = NATIVE.replace(now);
    let done = work();
    NATIVE.set(before);
    done
}
