//! The plugins of this repository, and what becomes of crates that are none, built from source.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use relay::plugin::Answer;
use relay::plugin::build::{self, BuildError, Built};
use relay::plugin::host::{Build, Interface, PluginConfig, PluginHost, PluginLimits};
use relay_engine::event::{EventBatch, EventFields};
use tempfile::TempDir;

const PLUGINS: [&str; 3] = ["cloudevents", "redact", "router"];
/// A component above this is no longer small: a plugin's compilation and memory grow with it.
const LARGEST: u64 = 384 << 10;

fn build_into(folder: &Path, plugin: &str) -> Built {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("plugins");
    build::build(&plugins.join(plugin), Some(&folder.join(format!("{plugin}.wasm")))).unwrap()
}

/// A crate of its own, outside of any workspace.
fn crate_of(crate_type: &str, source: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"hello\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"{crate_type}\"]\n[workspace]\n"
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/lib.rs"), source).unwrap();
    dir
}

fn failure(dir: &Path) -> (&'static str, String) {
    let error = build::build(dir, None).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn every_plugin_builds_from_source_and_reaches_nothing_but_the_relay() {
    let folder = tempfile::tempdir().unwrap();
    for plugin in PLUGINS {
        let built = build_into(folder.path(), plugin);
        println!("{plugin}: {} KiB in {:?}", built.size >> 10, built.duration);
        let names = |all: &[Interface]| all.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&built.interfaces.exports), ["relay:plugin/transform@0.1.0"], "{plugin}");
        let imports = [names(&built.interfaces.imports), names(&built.interfaces.stubs)].concat();
        assert!(imports.iter().all(|it| it.starts_with("relay:plugin/")), "{plugin} imports {imports:?}");
        assert_eq!(built.size, fs::metadata(&built.component).unwrap().len());
        assert!(built.size <= LARGEST, "{plugin} has {} bytes", built.size);
        assert_eq!(built.digest.len(), 64);
    }
    let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), PLUGINS.len(), "something was left behind: {files:?}");
}

#[test]
fn the_same_source_gives_the_same_component() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (build_into(folder.path(), "router"), build_into(folder.path(), "router"));
    assert_eq!(first.digest, second.digest);
}

#[test]
fn a_folder_without_a_crate_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (code, told) = failure(dir.path());
    assert_eq!(code, "P150");
    assert!(told.contains(&dir.path().display().to_string()), "{told}");
}

#[test]
fn a_manifest_that_cargo_cannot_read_is_told_in_cargos_words() {
    let dir = crate_of("cdylib", "");
    fs::write(dir.path().join("Cargo.toml"), "[package]\nname = 7\n").unwrap();
    let (code, told) = failure(dir.path());
    assert_eq!(code, "P151");
    assert!(told.contains("name = 7"), "{told}");
}

#[test]
fn a_crate_that_makes_no_module_is_told_what_to_add() {
    let (code, told) = failure(crate_of("rlib", "").path());
    assert_eq!(code, "P152");
    assert!(told.contains("crate-type = [\"cdylib\", \"rlib\"]"), "{told}");
}

#[test]
fn a_crate_that_does_not_compile_keeps_the_old_component() {
    let dir = crate_of("cdylib", "fn broken() -> u32 { \"text\" }");
    let old = dir.path().join("hello.wasm");
    fs::write(&old, "old").unwrap();
    let (code, told) = failure(dir.path());
    assert_eq!(code, "P155");
    assert!(told.contains("mismatched types") && told.contains("src/lib.rs:1"), "{told}");
    assert!(!told.contains("Compiling"), "{told}");
    assert_eq!(fs::read_to_string(old).unwrap(), "old");
}

#[test]
fn a_module_that_is_not_a_plugin_is_refused() {
    let (code, told) = failure(crate_of("cdylib", "").path());
    assert_eq!(code, "P156");
    assert!(told.contains("hello is not a relay plugin"), "{told}");
    let foreign = "#[link(wasm_import_module = \"env\")] unsafe extern \"C\" { fn open() -> i32; }\n\
                   #[unsafe(no_mangle)] pub extern \"C\" fn go() -> i32 { unsafe { open() } }";
    let (code, told) = failure(crate_of("cdylib", foreign).path());
    assert_eq!(code, "P156");
    assert!(told.contains("env"), "{told}");
}

#[test]
fn progress_is_told_while_cargo_works() {
    let dir = crate_of("cdylib", "");
    let mut lines = Vec::new();
    let error = build::build_with_progress(dir.path(), None, &mut |line| lines.push(line.to_owned()));
    assert!(matches!(error, Err(BuildError::NotPlugin { .. })), "{error:?}");
    assert!(lines.iter().any(|line| line.contains("Compiling hello")), "{lines:?}");
}

/// The first code block of the author's guide in this language.
fn block_of_guide<'g>(guide: &'g str, language: &str) -> &'g str {
    let (_, after) = guide.split_once(&format!("```{language}\n")).unwrap();
    after.split_once("```").unwrap().0
}

#[test]
fn the_smallest_plugin_of_the_guide_builds_as_a_crate_of_its_own() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let guide = fs::read_to_string(repository.join("relay/docs/plugins.md")).unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-topic");
    fs::create_dir_all(dir.join("src")).unwrap();
    let manifest = block_of_guide(&guide, "toml")
        .replace("../outbox-relay/plugin-sdk", &repository.join("plugin-sdk").display().to_string());
    fs::write(dir.join("Cargo.toml"), manifest + "[workspace]\n").unwrap();
    // What the repository's plugins need is compiled already.
    fs::create_dir_all(dir.join(".cargo")).unwrap();
    let target = format!("[build]\ntarget-dir = {:?}\n", repository.join("target"));
    fs::write(dir.join(".cargo/config.toml"), target).unwrap();
    // The versions that are already here: no registry is asked.
    fs::copy(repository.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    let source = block_of_guide(&guide, "rust");
    assert!(source.lines().filter(|line| !line.trim().is_empty()).count() < 20);
    fs::write(dir.join("src/lib.rs"), source).unwrap();
    let built = build::build(&dir, None).unwrap();
    assert_eq!(built.component, dir.join("one-topic.wasm"));
    println!("one-topic: {} KiB in {:?}", built.size >> 10, built.duration);
    assert!(built.size <= LARGEST, "{} bytes", built.size);
}

/// The component of a crate with the guide's manifest and this source.
fn component_of(name: &str, source: &str) -> Vec<u8> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let guide = fs::read_to_string(repository.join("relay/docs/plugins.md")).unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(dir.join("src")).unwrap();
    fs::create_dir_all(dir.join(".cargo")).unwrap();
    let manifest = block_of_guide(&guide, "toml")
        .replace("one-topic", name)
        .replace("../outbox-relay/plugin-sdk", &repository.join("plugin-sdk").display().to_string());
    fs::write(dir.join("Cargo.toml"), manifest + "[workspace]\n").unwrap();
    let target = format!("[build]\ntarget-dir = {:?}\n", repository.join("target"));
    fs::write(dir.join(".cargo/config.toml"), target).unwrap();
    fs::copy(repository.join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    fs::write(dir.join("src/lib.rs"), source).unwrap();
    let built = build::build(&dir, None).unwrap();
    fs::read(built.component).unwrap()
}

const PANICS: &str = r#"
use relay_plugin_sdk::prelude::*;
#[derive(Deserialize, JsonSchema)]
struct Config {}
struct Panics;
impl Plugin for Panics {
    type Config = Config;
    fn new(_: Config) -> Result<Self, Problem> { Ok(Self) }
    fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
        Ok(Message::kafka(the_customer_of(event)).into())
    }
}
#[inline(never)]
fn the_customer_of(event: &Event) -> &'static str {
    ["one", "two"][event.key().len()]
}
export!(Panics);
"#;

#[test]
fn a_panic_is_told_with_the_plugins_own_function_and_without_the_machinery_around_it() {
    let config = PluginConfig {
        name: "panics".to_owned(),
        component: PathBuf::new(),
        config: serde_json::json!({}),
        limits: PluginLimits::default(),
        accept: Vec::new(),
        shadow: None,
        lookups: Vec::new(),
    };
    let build = Build::new(component_of("panics", PANICS), &config.config);
    let generation = PluginHost::new().unwrap().load_build(&config, &build).unwrap();
    let mut batch = EventBatch::default();
    batch.push(&EventFields { id: "1", aggregate_id: "order-1", ..EventFields::default() }).unwrap();
    let mut answers = Vec::new();
    generation.instantiate().unwrap().run("shop", &Arc::new(batch), &mut answers);
    let [Answer::Fault(fault)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(fault.code, "P120");
    let (_, backtrace) = fault.detail.split_once(" at ").unwrap();
    assert!(backtrace.starts_with("panics::the_customer_of < "), "{}", fault.detail);
}
