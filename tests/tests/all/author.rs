//! What a plugin's author does: begin a plugin, test it, change it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use relay_tests::stack::tools::{target_folder, workspace};

use crate::author_dev::new_plugin;

/// The relay that was built beside this test.
pub(crate) fn relay() -> PathBuf {
    let relay = target_folder().join("debug/relay");
    assert!(relay.is_file(), "{} is not there: run cargo build first", relay.display());
    relay
}

/// A folder outside of any workspace, in a place that stays, so that what is compiled for it stays too.
pub(crate) fn work_folder(name: &str) -> PathBuf {
    let folder = target_folder().join("test-authors").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    // Without this, cargo would ask whether the folder is a member of the project's own workspace.
    let outside = target_folder().join("test-authors/Cargo.toml");
    fs::write(outside, "[workspace]\n").unwrap();
    folder
}

/// A command of an author, who has no network and builds into one folder.
pub(crate) fn author(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("CARGO_NET_OFFLINE", "true").env("NO_COLOR", "1");
    command.env("CARGO_TARGET_DIR", target_folder().join("test-authors/target"));
    command.env("XDG_CACHE_HOME", target_folder().join("test-authors/cache"));
    for (name, _) in std::env::vars_os() {
        let told =
            name.to_str().is_some_and(|it| it.starts_with("CARGO_PKG_") || it.starts_with("CARGO_MANIFEST_"));
        if told || name == "LD_LIBRARY_PATH" || name == "RELAY_CONFIG" || name == "RUSTFLAGS" {
            command.env_remove(name);
        }
    }
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    author(&relay(), folder).args(arguments).output().unwrap()
}

#[track_caller]
pub(crate) fn assert_ends(output: &Output, exit: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "stdout:\n{out}\nstderr:\n{err}");
    (out, err)
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

/// A plugin that has no settings and reads no payload, and the bytes that its component may have.
const SMALLEST: (&str, u64) = (
    r#"use relay_plugin_sdk::prelude::*;

struct Smallest;

impl Plugin for Smallest {
    type Config = ();

    fn new((): ()) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
        Ok(Message::kafka(event.aggregate_type()).into())
    }
}

export!(Smallest);
"#,
    64 << 10,
);

#[test]
fn a_plugin_without_settings_carries_nothing_that_reads_any() {
    let plugin = new_plugin(&work_folder("smallest"));
    let (source, most) = SMALLEST;
    fs::write(plugin.join("src/lib.rs"), source).unwrap();
    fs::remove_dir_all(plugin.join("cases")).unwrap();
    assert_ends(&run(&plugin, &["plugin", "build", "."]), 0);
    let size = fs::metadata(plugin.join("smallest.wasm")).unwrap().len();
    assert!(size < most, "{size} bytes");
}

#[test]
fn a_new_plugin_passes_its_tests_untouched_and_says_what_an_edit_changes() {
    let folder = work_folder("untouched");
    // With --sdk the same as with a copy, and compiled once for both this test and the repository's own plugins.
    let sdk = workspace().join("plugin-sdk").display().to_string();
    assert_ends(&run(&folder, &["plugin", "new", "first", "--sdk", &sdk]), 0);
    let first = folder.join("first");
    let (out, _) = assert_ends(&run(&first, &["plugin", "test", "--junit", "report.xml"]), 0);
    assert!(out.ends_with("3 cases, all passed\n"), "{out}");
    assert!(fs::read_to_string(first.join("report.xml")).unwrap().contains("tests=\"3\" failures=\"0\""));
    // The component carries its cases.
    let (out, _) = assert_ends(&run(&folder, &["plugin", "test", "first/first.wasm"]), 0);
    assert!(out.starts_with("orders.toml\n  pass  an order goes"), "{out}");

    edit(&first.join("src/lib.rs"), "\"not an order\"", "\"no order\"");
    let (out, _) = assert_ends(&run(&first, &["plugin", "test"]), 1);
    assert!(out.contains("- discard \"not an order\"\n        + discard \"no order\"\n"), "{out}");
    assert!(out.ends_with("3 cases: 2 passed, 1 failed; --update takes what was found as right\n"), "{out}");
    let (out, _) = assert_ends(&run(&first, &["plugin", "test", "--update"]), 0);
    assert!(out.ends_with("3 cases: 2 passed, 1 written, 0 unstable\n"), "{out}");
    let cases = fs::read_to_string(first.join("cases/orders.toml")).unwrap();
    assert!(cases.contains("discard = \"no order\"\n") && cases.contains("# Golden cases: "), "{cases}");
    assert_ends(&run(&first, &["plugin", "test"]), 0);
}

#[test]
fn a_copy_of_the_sdk_is_enough_and_its_own_tests_run_natively() {
    let folder = work_folder("copied");
    let (out, _) = assert_ends(&run(&folder, &["plugin", "new", "mask-mail"]), 0);
    // The folder of the tests lies in the clone of the project, where the clone's SDK would be used.
    assert!(out.contains("plugin-sdk"), "{out}");
    let outside = tempfile::tempdir().unwrap();
    let (out, _) = assert_ends(&run(outside.path(), &["plugin", "new", "mask-mail"]), 0);
    assert!(out.contains("a copy of the SDK in sdk"), "{out}");
    let plugin = outside.path().join("mask-mail");
    assert_ends(&run(&plugin, &["plugin", "test"]), 0);
    let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let tested = author(&cargo, &plugin).args(["test", "--lib"]).output().unwrap();
    let (out, _) = assert_ends(&tested, 0);
    assert!(out.contains("4 passed"), "{out}");
    // Nothing had to be locked anew.
    let locked =
        author(&cargo, &plugin).args(["metadata", "--locked", "--format-version=1"]).output().unwrap();
    assert_ends(&locked, 0);
}

#[test]
fn a_plugin_inside_of_a_workspace_is_its_member_or_stands_beside_it() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(
        outside.path().join("Cargo.toml"),
        "[workspace]\nmembers = [\"plugins/*\"]\nresolver = \"3\"\n",
    )
    .unwrap();
    fs::create_dir(outside.path().join("plugins")).unwrap();
    let sdk = workspace().join("plugin-sdk").display().to_string();
    assert_ends(&run(outside.path(), &["plugin", "new", "plugins/member", "--sdk", &sdk]), 0);
    assert_ends(&run(outside.path(), &["plugin", "new", "beside", "--sdk", &sdk]), 0);
    let has = |file: &str| outside.path().join(file).exists();
    assert!(!has("plugins/member/Cargo.lock") && has("beside/Cargo.lock"));
    let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    for plugin in ["plugins/member", "beside"] {
        let manifest = outside.path().join(plugin).join("Cargo.toml");
        let read = author(&cargo, outside.path())
            .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
            .arg(manifest)
            .output()
            .unwrap();
        assert_ends(&read, 0);
    }
}

#[test]
fn mistakes_of_an_author_are_told_with_what_to_do() {
    let folder = work_folder("mistakes");
    let (_, err) = assert_ends(&run(&folder, &["plugin", "new", "Hello"]), 2);
    assert!(err.starts_with("error[P170]: \"Hello\" can't be the name of a plugin"), "{err}");
    let (_, err) = assert_ends(&run(&folder, &["plugin", "new", "hello", "--lang", "cobol"]), 2);
    assert!(err.contains("possible values: rust, js, python"), "{err}");
    fs::create_dir(folder.join("taken")).unwrap();
    fs::write(folder.join("taken/file"), "").unwrap();
    let (_, err) = assert_ends(&run(&folder, &["plugin", "new", "taken"]), 1);
    assert!(err.starts_with("error[P171]: "), "{err}");

    fs::write(folder.join("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    for (command, code) in [("inspect", "P102"), ("test", "P102")] {
        fs::write(folder.join("a.toml"), CASE).unwrap();
        let mut arguments = vec!["plugin", command, "module.wasm"];
        if command == "test" {
            arguments.extend(["--cases", "a.toml"]);
        }
        let (_, err) = assert_ends(&run(&folder, &arguments), 4);
        assert!(err.starts_with(&format!("error[{code}]: ")), "{err}");
    }
    let (_, err) = assert_ends(&run(&folder, &["plugin", "test", "module.wasm"]), 1);
    assert!(err.contains("module.wasm has no golden cases"), "{err}");
    fs::write(folder.join("a.toml"), CASE.replace("discard", "discrad")).unwrap();
    let (_, err) = assert_ends(&run(&folder, &["plugin", "test", "module.wasm", "--cases", "a.toml"]), 1);
    assert!(err.starts_with("error[P158]: a.toml: ") && err.contains("discrad"), "{err}");
}

#[test]
fn a_file_that_is_no_plugin_of_this_relay_is_told_with_what_to_do() {
    let folder = work_folder("no-plugins");
    let export =
        |version: &str| format!("(instance $i) (export \"relay:plugin/transform@{version}\" (instance $i))");
    let wasi = "(import \"wasi:cli/environment@0.3.0\" (instance))";
    let text = |component: &str| wat::parse_str(component).unwrap();
    let files = [
        ("text", "P101", "is not WebAssembly", "relay plugin build", b"(module)".to_vec()),
        (
            "core",
            "P102",
            "a core WebAssembly module, not a component",
            "relay plugin build",
            text("(module)"),
        ),
        (
            "older",
            "P103",
            "built for relay:plugin/transform@0.0.9, and this relay serves relay:plugin@0.1",
            "run a relay that serves this one",
            text(&format!("(component {})", export("0.0.9"))),
        ),
        (
            "wasip3",
            "P104",
            "it imports wasi:cli/environment@0.3.0, which is not served",
            "build it with `relay plugin build`, or for WASI 0.2",
            text(&format!("(component {wasi} {})", export("0.1.0"))),
        ),
        (
            "program",
            "P105",
            "does not export relay:plugin/transform",
            "relay plugin build",
            text(&format!("(component {wasi})")),
        ),
        (
            "half",
            "P109",
            "there is no function `describe`",
            "build it against the `wit` directory of this relay",
            text(&format!("(component {})", export("0.1.0"))),
        ),
    ];
    for (name, code, what, remedy, bytes) in files {
        let file = format!("{name}.wasm");
        fs::write(folder.join(&file), bytes).unwrap();
        let (out, err) = assert_ends(&run(&folder, &["plugin", "inspect", &file]), 4);
        assert!(out.is_empty() && err.starts_with(&format!("error[{code}]: plugin {name:?}: ")), "{err}");
        assert!(err.contains(what) && err.contains(remedy), "{name}: {err}");
        assert!(err.ends_with(&format!("relay explain {code} tells more\n")), "{err}");
    }
    let (_, err) = assert_ends(&run(&folder, &["plugin", "inspect", "missing.wasm"]), 4);
    assert!(err.starts_with("error[P100]: plugin \"missing\": missing.wasm can't be read"), "{err}");
}

const CASE: &str = "[[case]]\nname = \"a\"\nevent = { aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" }\ndiscard = \"a\"\n";
