//! Where the programs and libraries of the stack are.
//!
//! `tests/run --setup` installs what is missing below `target/test-tools` and finds the rest on the machine.
//! Variables override it: `RELAY_TEST_TOOLS` (the folder), `RELAY_TEST_POSTGRES` (the folder with `initdb` and
//! `postgres`), `RELAY_TEST_NATS` (the program `nats-server`), `RELAY_TEST_KAFKA` (the folder with Kafka's jars),
//! `RELAY_TEST_JAVA` (the program `java`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::StackError;

/// The folder that `tests/run --setup` installs into.
#[must_use]
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("RELAY_TEST_TOOLS") {
        return folder.into();
    }
    target_folder().join("test-tools")
}

/// The workspace's root folder.
#[must_use]
pub fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// The `target` folder that the running program was built in, and failing that the workspace's.
#[must_use]
pub fn target_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .map_or_else(|| workspace().join("target"), Path::to_path_buf)
}

/// The folder with `initdb` and `postgres`: the newest version that is installed.
///
/// # Errors
/// [`StackError::NotInstalled`].
pub fn postgres() -> Result<PathBuf, StackError> {
    if let Some(folder) = std::env::var_os("RELAY_TEST_POSTGRES") {
        return existing("PostgreSQL", folder.into(), "initdb");
    }
    let root = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    let (_, newest) =
        versions.pop().ok_or(StackError::NotInstalled { what: "PostgreSQL", path: root.to_owned() })?;
    Ok(newest)
}

/// The program `nats-server`.
///
/// # Errors
/// [`StackError::NotInstalled`].
pub fn nats_server() -> Result<PathBuf, StackError> {
    if let Some(program) = std::env::var_os("RELAY_TEST_NATS") {
        return Ok(program.into());
    }
    let installed = folder().join("bin/nats-server");
    if installed.exists() {
        return Ok(installed);
    }
    on_path("nats-server").ok_or(StackError::NotInstalled { what: "nats-server", path: installed })
}

/// The program `pgbouncer`.
///
/// # Errors
/// [`StackError::NotInstalled`].
pub fn pgbouncer() -> Result<PathBuf, StackError> {
    if let Some(program) = std::env::var_os("RELAY_TEST_PGBOUNCER") {
        return Ok(program.into());
    }
    // Debian keeps it out of the path of those who are not root.
    let installed = PathBuf::from("/usr/sbin/pgbouncer");
    if installed.exists() {
        return Ok(installed);
    }
    on_path("pgbouncer").ok_or(StackError::NotInstalled { what: "pgbouncer", path: installed })
}

/// Java's class path for Kafka.
///
/// # Errors
/// [`StackError::NotInstalled`].
pub fn kafka_class_path() -> Result<OsString, StackError> {
    let jars = std::env::var_os("RELAY_TEST_KAFKA").map_or_else(|| folder().join("kafka"), PathBuf::from);
    let jars = existing("Apache Kafka", jars, "COMPLETE")?;
    Ok(jars.join("*").into_os_string())
}

/// The program `java`.
///
/// # Errors
/// [`StackError::NotInstalled`].
pub fn java() -> Result<PathBuf, StackError> {
    if let Some(program) = std::env::var_os("RELAY_TEST_JAVA") {
        return Ok(program.into());
    }
    on_path("java").ok_or(StackError::NotInstalled { what: "a Java runtime", path: "java".into() })
}

fn existing(what: &'static str, folder: PathBuf, proof: &str) -> Result<PathBuf, StackError> {
    if folder.join(proof).exists() {
        Ok(folder)
    } else {
        Err(StackError::NotInstalled { what, path: folder })
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|it| it.is_file())
}
