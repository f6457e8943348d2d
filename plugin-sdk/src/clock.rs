//! Time that does not move within a batch, so that running a batch again gives the same messages.

/// Microseconds since the Unix epoch, frozen for the batch. Natively, in tests, it stands at 0.
#[must_use]
pub fn now() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::relay::plugin::clock::now();
    #[cfg(not(target_arch = "wasm32"))]
    return 0;
}
