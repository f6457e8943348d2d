//! The command `relay`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Two providers may be linked; without a choice the first TLS connection would panic. It can only fail
    // where one is installed already, which then serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    relay::cli::main()
}
