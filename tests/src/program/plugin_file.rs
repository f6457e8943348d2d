//! Builds of a plugin, and how they get to their place.

use std::path::Path;

/// Another build: the same code under another digest, by a custom section that every reader skips.
#[must_use]
pub fn another_build(component: &[u8], number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    [component, &[0, 7, 4, b't', b'e', b's', b't', high, low]].concat()
}

/// Puts a component in its place as build tools do: a watcher must never see half of it.
///
/// # Errors
/// When it can't be written beside its place, or renamed.
pub fn put(component: &[u8], place: &Path) -> std::io::Result<()> {
    let beside = place.with_extension("new");
    std::fs::write(&beside, component)?;
    std::fs::rename(&beside, place)
}
