//! What the guides say works: every command and every file of the tutorial, and every recipe of the cookbook.

use std::fs;
use std::path::{Path, PathBuf};

use relay_tests::stack::tools::workspace;

use crate::author::{assert_ends, author, relay, work_folder};

/// One code block of a guide.
struct Block {
    /// What follows the three backticks: a language, and what the test does with it.
    kind: String,
    text: String,
}

fn blocks(guide: &str) -> Vec<Block> {
    let text = fs::read_to_string(workspace().join("relay/docs").join(guide)).unwrap();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("\n```") {
        let (kind, body) = after.split_once('\n').unwrap();
        let (code, next) = body.split_once("\n```").unwrap();
        found.push(Block { kind: kind.to_owned(), text: format!("{code}\n") });
        // The closing fence of an unnamed block would open the next one.
        rest = next;
    }
    found
}

/// Runs `script` as a reader's shell would, with the relay on the path.
fn shell(script: &str, folder: &Path) -> (bool, String) {
    let program = relay();
    let path = std::env::var("PATH").unwrap();
    let output = author(Path::new("bash"), folder)
        .args(["-euo", "pipefail", "-c", script])
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

#[test]
fn the_tutorial_works_as_it_is_written() {
    let outside = tempfile::tempdir().unwrap();
    let mut folder = outside.path().to_owned();
    let mut ran = 0;
    for Block { kind, text } in blocks("tutorial.md") {
        match kind.split_once(' ').unwrap_or((&kind, "")) {
            ("sh", expected) => {
                let (succeeded, said) = shell(&text, &folder);
                assert_eq!(succeeded, expected != "fails", "{text}\n{said}");
                if let Some(into) = text.lines().find_map(|line| line.strip_prefix("cd ")) {
                    folder = folder.join(into);
                }
                ran += 1;
            }
            ("console", _) => {}
            (_, file) if !file.is_empty() => fs::write(folder.join(file), text).unwrap(),
            _ => panic!("a block that nothing is done with: {kind}"),
        }
    }
    assert!(ran >= 5, "only {ran} blocks of commands");
    let component = fs::metadata(folder.join("hello.wasm")).unwrap();
    assert!(component.len() < 400_000, "{} bytes", component.len());
}

/// The type that a recipe implements a plugin for.
fn plugin_of(source: &str) -> &str {
    source.split_once("impl Plugin for ").unwrap().1.split_once(' ').unwrap().0
}

#[test]
fn every_recipe_of_the_cookbook_compiles_and_its_cases_come_out_as_written() {
    let folder = work_folder("cookbook");
    let sdk = workspace().join("plugin-sdk").display().to_string();
    assert_ends(
        &author(&relay(), &folder).args(["plugin", "new", "recipes", "--sdk", &sdk]).output().unwrap(),
        0,
    );
    let recipes = folder.join("recipes");
    let (mut library, mut names) = (String::new(), Vec::new());
    for Block { kind, text } in blocks("cookbook.md") {
        let (language, name) = kind.split_once(' ').unwrap();
        if language == "toml" {
            fs::write(recipes.join(format!("cases/{name}.toml")), text).unwrap();
            continue;
        }
        let plugin = plugin_of(&text);
        library.push_str(&format!(
            "mod {name} {{\n{text}\n#[test]\nfn cases() {{\n\
             relay_plugin_sdk::testing::golden_cases::<{plugin}>(\"cases/{name}.toml\").unwrap();\n}}\n}}\n"
        ));
        names.push(name.to_owned());
    }
    fs::write(recipes.join("src/lib.rs"), format!("#![cfg(test)]\n{library}")).unwrap();
    let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let (out, _) = assert_ends(&author(&cargo, &recipes).args(["test", "--lib"]).output().unwrap(), 0);
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        assert!(out.contains(&format!("{name}::cases ... ok")), "{name} did not run:\n{out}");
    }
}
