//! How the relay compiles plugins: it starts itself again as a compiler, and keeps what that makes.

use std::io;
use std::path::PathBuf;

use crate::config::Config;
use crate::plugin::host::{CACHE, HostConfig, serve};

/// Compiles the component on standard input to standard output: what `relay plugin compile` does.
///
/// # Errors
/// Why there is no machine code, in words.
pub fn compile(source_lines: bool) -> Result<(), String> {
    serve(io::stdin().lock(), io::stdout().lock(), source_lines)
}

/// The plugin host's settings.
pub(super) fn host_config(config: &Config, source_lines: bool) -> HostConfig {
    let cache = config.relay.cache.folder(&CACHE, &|name| std::env::var(name).ok());
    HostConfig { cache, compiler: this_program(), source_lines }
}

/// This program, also once another version was put in its place.
fn this_program() -> Option<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Some(running) } else { std::env::current_exe().ok() }
}
