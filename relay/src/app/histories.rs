//! Where the histories of plugins are kept.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::run::RunOptions;
use crate::config::Config;
use crate::plugin::host::STATE;

/// The folder below the relay's own state that holds them all.
const FOLDER: &str = "plugins";

/// The folder of the histories of this configuration's plugins; `None`: nothing is kept.
pub(super) fn folder(config: &Config, options: &RunOptions) -> Option<PathBuf> {
    let state = config.relay.state.folder(&STATE, &|name| std::env::var(name).ok())?;
    let file = options.file.as_deref().filter(|_| options.keep_history)?;
    Some(state.join(FOLDER).join(name_of(file)))
}

/// One folder per configuration: relays of several may share a machine, and names of plugins are the same in many.
fn name_of(file: &Path) -> String {
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{stem}-{short}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_of_the_same_name_in_different_folders_have_different_histories() {
        let [one, other] =
            ["a", "b"].map(|folder| name_of(&Path::new("/etc").join(folder).join("relay.toml")));
        assert!(one.starts_with("relay-") && one != other, "{one} {other}");
        assert_eq!(one, name_of(Path::new("/etc/a/relay.toml")));
    }
}
