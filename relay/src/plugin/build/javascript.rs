//! Makes a component of a package of npm, with componentize-qjs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::tool::{self, Scratch, whole};
use super::{BuildError, Language, file};

/// The tool, as its package keeps it.
const TOOL: &str = "node_modules/componentize-qjs/cli.mjs";

/// What to install where node or npm is missing.
const NODE: &str =
    "install Node.js 18 or newer with npm: apt-get install nodejs npm, or from https://nodejs.org";

/// Names of packages begin with the name of their owner, which is none of the plugin's.
const OWNER: char = '/';

/// What `package.json` says of a plugin.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    name: String,
    /// The module that exports `transform`.
    #[serde(default = "main")]
    main: String,
}

fn main() -> String {
    "index.js".to_owned()
}

impl Package {
    /// The package in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, BuildError> {
        let path = dir.join(Language::JavaScript.project_file());
        let package = serde_json::from_slice::<Self>(&file::read(&path)?);
        let package = package.map_err(|error| BuildError::Project { path, what: error.to_string() })?;
        let main = dir.join(&package.main);
        if !main.is_file() {
            let what = format!("its `main` names {}, which is not there", package.main);
            return Err(BuildError::Project { path: dir.join(Language::JavaScript.project_file()), what });
        }
        Ok(package)
    }

    /// What the plugin is called.
    pub(super) fn name(&self) -> &str {
        self.name.rsplit(OWNER).next().unwrap_or(&self.name)
    }

    /// The component of the package in `dir`, whose tool npm installs first where it is missing.
    pub(super) fn component(
        &self,
        dir: &Path,
        group: Option<i32>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, BuildError> {
        let dir = whole(dir);
        let script = match installed(&dir) {
            Some(script) => script,
            None => install(&dir, group, progress)?,
        };
        let scratch = Scratch::new()?;
        let mut command = tool::command("node", &dir, group);
        command.arg(script).args(["--sync", "--world", "transformer", "--module-root", "."]);
        command.arg("--wit").arg(scratch.contract()).arg("--js").arg(&self.main);
        command.arg("--output").arg(scratch.component());
        let ended = tool::run(&mut command, &mut |_| {}).map_err(|source| no_tool("node", source))?;
        if !ended.succeeded {
            return Err(BuildError::Compile { words: words(&ended.words), dir });
        }
        file::read(&scratch.component())
    }
}

/// The tool in `dir` or in a folder around it, where node looks too.
fn installed(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().map(|folder| folder.join(TOOL)).find(|it| it.is_file())
}

/// Installs what `package.json` asks for; none of the packages' own scripts runs.
fn install(dir: &Path, group: Option<i32>, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    progress("npm install: fetching what package.json names, once");
    let mut command = tool::command("npm", dir, group);
    command.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let ended =
        tool::run(command.arg("--loglevel=error"), &mut |_| {}).map_err(|source| no_tool("npm", source))?;
    if !ended.succeeded {
        return Err(BuildError::Install { dir: dir.to_owned(), words: tool::first_lines(&ended.words) });
    }
    installed(dir).ok_or_else(|| BuildError::Project {
        path: dir.join(Language::JavaScript.project_file()),
        what: "it does not ask for the tool that makes components; run: npm install --save-dev --save-exact \
               componentize-qjs"
            .to_owned(),
    })
}

fn no_tool(program: &'static str, source: std::io::Error) -> BuildError {
    BuildError::NoTool { program, remedy: NODE, source }
}

/// The tool's words without those of its own that say nothing.
fn words(words: &str) -> String {
    let said = words.trim();
    let said = said.strip_prefix("Error:").unwrap_or(said).trim_start_matches([':', ' ']);
    said.strip_prefix("Failed to evaluate user JavaScript module: ").unwrap_or(said).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str) -> (tempfile::TempDir, Result<Package, BuildError>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("package.json"), text).unwrap();
        std::fs::write(dir.path().join("plugin.js"), "").unwrap();
        let package = Package::read(dir.path());
        (dir, package)
    }

    #[test]
    fn the_owner_is_no_part_of_the_plugins_name() {
        let (_, package_of) = package(r#"{ "name": "@acme/mask", "main": "plugin.js" }"#);
        assert_eq!(package_of.unwrap().name(), "mask");
    }

    #[test]
    fn a_package_that_names_nothing_is_told_with_its_place() {
        for (text, words) in [
            ("{ \"name\": 7 }", "at line 1 column 11"),
            ("{ \"main\": \"plugin.js\" }", "missing field `name`"),
            ("{ \"name\": \"a\" }", "`main` names index.js, which is not there"),
        ] {
            let error = package(text).1.unwrap_err();
            assert_eq!(error.code(), "P167");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn the_tool_is_found_in_a_folder_around_the_plugin() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("plugins/mask");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(installed(&inner), None);
        let tool = dir.path().join(TOOL);
        std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
        std::fs::write(&tool, "").unwrap();
        assert_eq!(installed(&inner), Some(tool));
    }

    #[test]
    fn the_tools_own_words_are_left_out() {
        let said = "Error: : Failed to evaluate user JavaScript module: Failed to declare JavaScript module: \
                    Error: unexpected token in expression: ';'\n    at /plugin.js:1:10\n";
        let kept = "Failed to declare JavaScript module: Error: unexpected token in expression: ';'\n    \
                    at /plugin.js:1:10";
        assert_eq!(words(said), kept);
    }
}
