//! Who could have written a file.

use std::fs::{self, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The superuser may do anything anyway, and owns a cache that was filled while an image was built.
const ROOT: u32 = 0;

/// The bits that let the group or others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The users whose files are believed.
#[derive(Debug, Clone, Copy)]
pub(in crate::plugin) struct Owners {
    /// The relay's own user; `None` where it can't be told, and then only root is believed.
    own: Option<u32>,
}

impl Owners {
    /// The relay's own user, and root.
    pub(in crate::plugin) fn of(folder: &Path) -> Self {
        Self { own: user_by_writing(folder).or_else(user_by_process) }
    }

    /// Whether nobody else could have written what `metadata` belongs to.
    pub(in crate::plugin) fn check(self, path: &Path, metadata: &Metadata) -> Result<(), String> {
        let (owner, mode) = (metadata.uid(), metadata.mode());
        let path = path.display();
        if owner != ROOT && Some(owner) != self.own {
            return Err(format!("{path} belongs to user {owner}, not to the relay's own"));
        }
        if mode & WRITABLE_BY_OTHERS != 0 {
            return Err(format!("{path} may be written by others (mode {:o})", mode & 0o777));
        }
        Ok(())
    }
}

/// The owner of a file that this process makes.
fn user_by_writing(folder: &Path) -> Option<u32> {
    let path = folder.join(format!("{}.user", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).ok()?;
    let user = file.metadata().map(|it| it.uid()).ok();
    // A leftover would only be a file without content.
    let _ = fs::remove_file(&path);
    user
}

/// The owner of this process as Linux shows it, for a folder that may only be read.
fn user_by_process() -> Option<u32> {
    fs::metadata("/proc/self").map(|it| it.uid()).ok()
}
