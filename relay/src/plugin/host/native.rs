//! Loads machine code that was compiled before: the one place where the relay believes bytes unchecked.

#![expect(
    unsafe_code,
    reason = "wasmtime can't check machine code. Both callers vouch for it: the cache only uses files that \
              nobody else could have written and whose digest is right, and the compiler is this very program"
)]

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// Maps the compiled component at `path`, whose pages are then shared with the file and loaded when needed.
pub(super) fn from_file(engine: &Engine, path: &Path) -> Result<Component> {
    // SAFETY: see the reason above; the cache never changes a file, it only removes and renames whole ones.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Copies a compiled component that the relay's own compiler has just made.
pub(super) fn from_bytes(engine: &Engine, bytes: &[u8]) -> Result<Component> {
    // SAFETY: see the reason above.
    unsafe { Component::deserialize(engine, bytes) }
}
