//! Makes a component of a Python project, with componentize-py.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::tool::{self, Scratch, whole};
use super::{BuildError, Language, file};

/// Where the project's packages are.
const ENVIRONMENT: &str = ".venv";

/// The packages that the project is built with.
const REQUIREMENTS: &str = "requirements.txt";

/// The module of a project that names none.
const MODULE: &str = "plugin";

/// What to install where Python is missing.
const PYTHON: &str = "install Python 3.10 or newer with venv: apt-get install python3 python3-venv, or from https://python.org";

/// What `pyproject.toml` says of a plugin.
#[derive(Debug, Deserialize)]
struct Manifest {
    project: Named,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

/// A plugin's project.
#[derive(Debug)]
pub(super) struct Project {
    name: String,
}

impl Project {
    /// The project in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, BuildError> {
        let path = dir.join(Language::Python.project_file());
        let text = String::from_utf8_lossy(&file::read(&path)?).into_owned();
        let manifest = toml::from_str::<Manifest>(&text)
            .map_err(|error| BuildError::Project { path: path.clone(), what: error.to_string() })?;
        if !dir.join(MODULE).with_extension("py").is_file() {
            let what = format!("there is no {MODULE}.py beside it, the module with the class `Transform`");
            return Err(BuildError::Project { path, what });
        }
        Ok(Self { name: manifest.project.name })
    }

    /// What the plugin is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The component of the project in `dir`, whose packages pip installs first where they are missing.
    pub(super) fn component(
        &self,
        dir: &Path,
        group: Option<i32>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, BuildError> {
        let dir = whole(dir);
        let componentize = program(&dir, "componentize-py");
        if !componentize.is_file() {
            install(&dir, group, progress)?;
        }
        let scratch = Scratch::new()?;
        let mut command = tool::command(&componentize, &dir, group);
        command.env("VIRTUAL_ENV", dir.join(ENVIRONMENT)).arg("--quiet");
        command.arg("--wit-path").arg(scratch.contract()).args(["--world", "transformer", "componentize"]);
        command.arg(MODULE).arg("--output").arg(scratch.component());
        let ended = tool::run(&mut command, &mut |_| {}).map_err(no_tool)?;
        if !ended.succeeded {
            // A traceback may come in either of its outputs.
            let words = format!("{}{}", ended.messages, ended.words).trim().to_owned();
            return Err(BuildError::Compile { words, dir });
        }
        file::read(&scratch.component())
    }
}

fn program(dir: &Path, name: &str) -> PathBuf {
    dir.join(ENVIRONMENT).join("bin").join(name)
}

/// Makes the project's environment and installs what its requirements name.
fn install(dir: &Path, group: Option<i32>, progress: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    if !dir.join(REQUIREMENTS).is_file() {
        return Err(BuildError::Project {
            path: dir.join(Language::Python.project_file()),
            what: format!(
                "there is no {REQUIREMENTS} beside it; write one that names componentize-py==VERSION, the tool \
                 that makes components"
            ),
        });
    }
    progress(&format!("pip install: fetching what {REQUIREMENTS} names into {ENVIRONMENT}, once"));
    let mut steps = [tool::command("python3", dir, group), tool::command(program(dir, "python"), dir, group)];
    steps[0].args(["-m", "venv", ENVIRONMENT]);
    steps[1].args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]);
    for step in &mut steps {
        let ended = tool::run(step, &mut |_| {}).map_err(no_tool)?;
        if !ended.succeeded {
            let words = tool::first_lines(&format!("{}{}", ended.messages, ended.words));
            return Err(BuildError::Install { dir: dir.to_owned(), words });
        }
    }
    if program(dir, "componentize-py").is_file() {
        return Ok(());
    }
    let what = "it does not name componentize-py, the tool that makes components".to_owned();
    Err(BuildError::Project { path: dir.join(REQUIREMENTS), what })
}

fn no_tool(source: std::io::Error) -> BuildError {
    BuildError::NoTool { program: "python3", remedy: PYTHON, source }
}
