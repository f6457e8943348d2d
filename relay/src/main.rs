//! The command `relay`.

use std::process::ExitCode;

/// librdkafka uses it too. A quarter of the processor time of a drain is saved, and memory that a burst took goes
/// back; its settings are in `.cargo/config.toml`.
#[cfg(all(target_os = "linux", feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Two providers may be linked; without a choice the first TLS connection would panic. It can only fail
    // where one is installed already, which then serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    relay::cli::main()
}
