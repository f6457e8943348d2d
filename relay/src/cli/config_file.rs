//! The configuration that a command works on.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, diagnostics, style::Style};
use crate::config::{self, Config};

/// The configuration that a command works on.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", env = "RELAY_CONFIG", default_value = "relay.toml")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// Reads and checks it. Warnings go to standard error.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let config = config::load(&self.config, &|name| std::env::var(name).ok())?;
        warn(&config);
        Ok(config)
    }
}

/// Shows what was hardly meant.
pub(super) fn warn(config: &Config) {
    if !config.warnings.is_empty() {
        eprint!("{}", diagnostics::screen(&config.warnings, Style::of_stderr()));
    }
}
