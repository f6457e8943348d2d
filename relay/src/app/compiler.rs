//! How the relay compiles plugins: it starts itself again as a compiler, and keeps what that makes.

use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use crate::config::Config;
use crate::plugin::host::{CACHE, COMPILE_TIME, HostConfig, serve};

pub use crate::plugin::host::CompileOptions;

/// How far a compiler stands back behind lanes: where cores are scarce it gets a tenth of what one of them gets.
const BEHIND: i32 = 10;

/// Compiles the component on standard input to standard output: what `relay plugin compile` does.
///
/// # Errors
/// Why there is no machine code, in words.
pub fn compile(options: CompileOptions) -> Result<(), String> {
    // At the first limit the system says why it ends the process (`SIGXCPU`), at the second it does not.
    let most = |amount| Rlimit { current: Some(amount), maximum: Some(amount + 1) };
    // Where the system does not let it do so, it compiles all the same, and the relay that waits for it has a limit too.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = setrlimit(Resource::Cpu, most(COMPILE_TIME.as_secs()));
    if options.behind_lanes {
        let _ = nice(BEHIND);
    }
    serve(io::stdin().lock(), io::stdout().lock(), options)
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
