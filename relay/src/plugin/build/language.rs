//! Which language a plugin is written in.

use std::path::Path;

/// Languages that components are built of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A crate, compiled by cargo.
    Rust,
    /// A package of npm, run by QuickJS.
    JavaScript,
    /// A project, run by CPython.
    Python,
}

impl Language {
    /// In the order in which they are looked for: a crate may have tools in other languages beside it.
    const ALL: [Self; 3] = [Self::Rust, Self::JavaScript, Self::Python];

    /// The file that says that a folder holds a plugin in this language.
    #[must_use]
    pub fn project_file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::JavaScript => "package.json",
            Self::Python => "pyproject.toml",
        }
    }

    /// The language of the plugin in `dir`; `None`: there is none.
    #[must_use]
    pub fn of(dir: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|it| dir.join(it.project_file()).is_file())
    }
}
