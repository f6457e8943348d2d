//! Configurations, good and bad.

mod flags;
mod mistakes;
mod whole;

use super::{Config, Diagnostic, parse};

const POSTGRES: &str =
    "[source.shop]\ntype = \"postgres\"\nurl = \"postgres://localhost/shop\"\nstart = \"now\"\n";
const STDOUT: &str = "[sink.out]\ntype = \"stdout\"\n";
const PIPELINE: &str = "[pipeline.orders]\nsource = \"shop\"\nsinks = [\"out\"]\n";

/// The environment of every test here.
fn env(name: &str) -> Option<String> {
    match name {
        "DATABASE_URL" => Some("postgres://relay:hunter2@localhost/shop".to_owned()),
        "WORDS" => Some("lz4".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Config, Vec<Diagnostic>> {
    parse(text, "relay.toml", &env)
}

/// A configuration that is right but for `more`.
fn with(more: &str) -> String {
    format!("{POSTGRES}{STDOUT}{PIPELINE}{more}")
}
