//! Modules use only what the architecture allows.

use std::path::PathBuf;

use relay_tests::layering::{SourceFile, source_files, violations};
use relay_tests::stack::tools::workspace;

/// Crates that the pure core may depend on: none of them does I/O, reads a clock or runs tasks.
const PURE: &[&str] = &["thiserror", "xxhash-rust"];
/// What would make the core impure from the standard library alone.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "println!",
    "eprintln!",
];
/// Lines of code that a file should not pass.
const LONG_FILE: usize = 400;

#[test]
fn every_module_of_the_relay_keeps_to_its_layer() {
    let files = source_files(&workspace().join("relay/src")).unwrap();
    assert!(files.len() > 20, "the sources are not where they were");
    let found = violations(&files);
    assert!(found.is_empty(), "forbidden references:\n{}", found.join("\n"));
}

#[test]
fn a_forbidden_use_is_found_wherever_it_is_written() {
    for (path, line, forbidden) in [
        ("pipeline/lane.rs", "use crate::sink::kafka::KafkaSink;", true),
        ("pipeline/lane.rs", "fn f() { crate::sink::kafka::open(); }", true),
        ("pipeline/lane.rs", "use crate::sink; fn f() { sink::kafka::open(); }", true),
        ("pipeline/lane.rs", "use crate::config::Settings;", true),
        ("pipeline/lane.rs", "use sqlx::PgPool;", true),
        ("pipeline/lane.rs", "use crate::{sink::Sink, source::{Source, Start}, telemetry};", false),
        ("pipeline/lane.rs", "use relay_engine::event::EventBatch;", false),
        ("sink/kafka/mod.rs", "use crate::sink::{Sink, Report};", false),
        ("sink/kafka/mod.rs", "use super::Sink;", false),
        ("sink/kafka/mod.rs", "use super::http::HttpSink;", true),
        ("sink/kafka/mod.rs", "use super::super::pipeline::Lane;", true),
        ("sink/kafka/mod.rs", "use crate::store::Store;", true),
        ("sink/kafka/mod.rs", "use crate::sink::window::Window;", false),
        ("sink/window.rs", "use rdkafka::ClientConfig; use super::Sink;", false),
        ("sink/window.rs", "use super::kafka::KafkaSink;", true),
        ("sink/window.rs", "use crate::store::Store;", true),
        ("pipeline/lane.rs", "use crate::store::MemoryStore;", true),
        ("sink/port.rs", "use crate::config::Settings;", true),
        ("config/sinks.rs", "use crate::sink::kafka::KafkaSinkConfig;", false),
        ("config/sinks.rs", "use crate::sink::kafka::KafkaSink;", true),
        ("config/sinks.rs", "use crate::app::run;", true),
        ("admin/mod.rs", "use crate::sink::kafka::KafkaSink;", true),
        ("app/mod.rs", "use crate::sink::kafka::KafkaSink;", false),
        ("app/mod.rs", "use crate::cli::run;", true),
        ("cli/run.rs", "use crate::app::run;", false),
        ("cli/run.rs", "use crate::sink::kafka::KafkaSink;", true),
        ("telemetry.rs", "use crate::app::run;", true),
        ("main.rs", "use crate::app::run;", true),
        ("pipeline/lane.rs", "#[cfg(test)] mod tests { use crate::store::memory::MemoryStore; }", false),
    ] {
        let found = violations(&with_file(path, line));
        assert_eq!(!found.is_empty(), forbidden, "{path}: {line}: {found:?}");
    }
}

/// The modules that the samples name, and one file with `line` in it.
fn with_file(path: &str, line: &str) -> Vec<SourceFile> {
    let file = |path: &str, text: &str| {
        let module = path.trim_end_matches(".rs").split('/').filter(|it| !matches!(*it, "mod" | "main"));
        let module = module.map(str::to_owned).collect();
        SourceFile { path: PathBuf::from(path), module, text: text.to_owned() }
    };
    let others =
        ["sink/kafka/mod.rs", "sink/http/mod.rs", "sink/mod.rs", "store/memory/mod.rs", "store/mod.rs"];
    let others = others.iter().chain(&["sink/window.rs"]).filter(|it| **it != path);
    let mut files: Vec<_> = others.map(|path| file(path, passing_on(path))).collect();
    files.push(file(path, line));
    files
}

fn passing_on(path: &str) -> &'static str {
    if path == "store/mod.rs" { "pub use memory::MemoryStore;" } else { "" }
}

#[test]
fn the_core_depends_on_nothing_impure() {
    let manifest = std::fs::read_to_string(workspace().join("relay/engine/Cargo.toml")).unwrap();
    assert_eq!(impure_dependencies(&manifest), [""; 0], "relay/engine/Cargo.toml");
    assert_eq!(
        impure_dependencies(
            "[dependencies]\ntokio = \"1\"\nthiserror = \"2\"\n[dev-dependencies]\nx = \"1\""
        ),
        ["tokio"]
    );
    assert_eq!(impure_dependencies("[dependencies.sqlx]\nversion = \"1\""), ["sqlx"]);
    assert_eq!(impure_dependencies("[target.'cfg(unix)'.dependencies]\nrustix = \"1\""), ["rustix"]);
}

fn impure_dependencies(manifest: &str) -> Vec<&str> {
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section == "dependencies" || section.ends_with(".dependencies");
            found.extend(section.strip_prefix("dependencies."));
        } else if in_dependencies && !line.is_empty() && !line.starts_with('#') {
            found.extend(line.split(['=', '.', ' ']).next());
        }
    }
    found.retain(|name| !PURE.contains(name));
    found
}

#[test]
fn the_core_reads_no_clock_and_does_no_io() {
    for file in source_files(&workspace().join("relay/engine/src")).unwrap() {
        let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in IMPURE {
            assert!(!code.contains(word), "relay/engine/src/{} names {word}", file.path.display());
        }
    }
}

/// A report and no failure: a long file can have its reason.
#[test]
fn long_files_are_listed() {
    for folder in ["relay/src", "relay/engine/src", "plugin-sdk/src", "tests/src"] {
        for file in source_files(&workspace().join(folder)).unwrap() {
            let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines =
                code.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with("//")).count();
            if lines > LONG_FILE {
                println!("{folder}/{}: {lines} lines of code", file.path.display());
            }
        }
    }
}
