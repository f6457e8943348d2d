//! A component file as it was read, with its digest.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// Components above this size are not read: the largest language runtimes make about 20 MiB.
const LARGEST_COMPONENT: u64 = 128 << 20;

/// SHA-256 of a component's bytes followed by its configuration as JSON with sorted keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text was no digest: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub struct NoDigest;

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(NoDigest);
        }
        for (byte, place) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).map_err(|_| NoDigest)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes of one component, with the digest of them and of the configuration they will run with.
#[derive(Clone)]
pub struct Build {
    bytes: Vec<u8>,
    digest: Digest,
}

impl fmt::Debug for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Build").field("digest", &self.digest).field("size", &self.bytes.len()).finish()
    }
}

fn too_large() -> io::Error {
    let most = LARGEST_COMPONENT >> 20;
    io::Error::new(io::ErrorKind::FileTooLarge, format!("the file is larger than {most} MiB"))
}

impl Build {
    /// Reads the component at `path`, which will run with `config`.
    ///
    /// The file may be half-written: whoever watches it reads twice and compares the digests.
    ///
    /// # Errors
    /// When the file can't be read, or is larger than any component.
    pub fn read(path: &Path, config: &serde_json::Value) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        // Asked before it is read, and looked at after, because it may grow meanwhile.
        if metadata.len() > LARGEST_COMPONENT {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_COMPONENT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST_COMPONENT {
            return Err(too_large());
        }
        Ok(Self::new(bytes, config))
    }

    /// A component from memory, which will run with `config`.
    #[must_use]
    pub fn new(bytes: Vec<u8>, config: &serde_json::Value) -> Self {
        let mut sha = Sha256::new();
        sha.update(&bytes);
        // Keys are sorted: the digest does not depend on their order in the file.
        sha.update(config.to_string());
        Self { bytes, digest: Digest(sha.finalize().into()) }
    }

    /// Which build it is.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The component's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_names_the_bytes_and_the_configuration_whatever_the_order_of_its_keys() {
        let digest = |bytes: &[u8], config: &str| {
            Build::new(bytes.to_vec(), &serde_json::from_str(config).unwrap()).digest().to_string()
        };
        let first = digest(b"component", r#"{"a": 1, "b": 2}"#);
        assert_eq!(first.len(), 64);
        assert_eq!(first.parse::<Digest>().unwrap().to_string(), first);
        assert_eq!(
            (first[1..].parse::<Digest>(), "é".repeat(32).parse::<Digest>()),
            (Err(NoDigest), Err(NoDigest))
        );
        assert_eq!(first, digest(b"component", r#"{ "b":2, "a":1 }"#));
        assert_ne!(first, digest(b"component", r#"{"a": 1, "b": 3}"#));
        assert_ne!(first, digest(b"components", r#"{"a": 1, "b": 2}"#));
    }

    #[test]
    fn a_file_larger_than_any_component_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.wasm");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let before = std::time::Instant::now();
        let error = Build::read(&path, &json!({})).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(before.elapsed() < std::time::Duration::from_secs(5), "took {:?}", before.elapsed());
        assert!(Build::read(folder.path(), &json!({})).is_err(), "a folder is no component");
    }

    #[test]
    fn a_file_that_is_missing_is_an_error_of_the_system() {
        let missing = Build::read(Path::new("no/such/plugin.wasm"), &json!({})).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
