//! Which compiled code belongs to which component.

use std::fmt;
use std::hash::{Hash as _, Hasher};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

/// SHA-256 of a component and of everything about this engine and machine that its compiled code depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::plugin::host) struct Key(String);

impl Key {
    pub(in crate::plugin::host) fn of(engine: &Engine, component: &[u8]) -> Self {
        let mut sha = Feed(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut sha);
        sha.0.update(component);
        Self(hexadecimal(&sha.0.finalize()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes what is hashed; the 64 bits that a hasher ends with would be too few to tell machine code apart.
struct Feed(Sha256);

impl Hasher for Feed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default()
    }
}
