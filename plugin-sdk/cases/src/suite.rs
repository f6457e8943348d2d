//! One file of cases.

use std::collections::BTreeMap;

use crate::{CaseError, EventRow, Outcome, read};

/// One file of cases: a configuration, and events with what becomes of them under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The file, for messages.
    pub file: String,
    /// The pipeline of a relay's configuration that the cases go through; `None`: they go through one plugin.
    pub pipeline: Option<String>,
    /// The plugin's configuration; an empty table where the file has none.
    pub config: serde_json::Value,
    /// Rows of lookup tables, by table and by key, in the place of configured ones.
    pub lookups: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// In the order of the file.
    pub cases: Vec<Case>,
}

/// One event, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it shows, in a sentence.
    pub name: String,
    /// The event.
    pub event: EventRow,
    /// What the plugin's clock shows, in microseconds since the Unix epoch; by default when the event was written.
    pub now: u64,
    /// What should become of it; `None`: not written down yet.
    pub expected: Option<Outcome>,
}

impl Suite {
    /// This suite, if its cases go through one plugin.
    ///
    /// # Errors
    /// When they go through a pipeline.
    pub fn of_plugin(self) -> Result<Self, CaseError> {
        match self.pipeline {
            None => Ok(self),
            Some(_) => Err(CaseError::new(
                &self.file,
                "names a pipeline; `relay test` runs such cases, so keep them outside of a plugin's own",
            )),
        }
    }

    /// Reads the text of `file`.
    ///
    /// # Errors
    /// What is wrong, with its line or its case, and what is allowed.
    pub fn parse(file: &str, text: &str) -> Result<Self, CaseError> {
        read::suite(file, text).map_err(|what| CaseError::new(file, what))
    }

    /// Reads the file at `path`, or every `*.toml` of the folder at `path` in the order of their names.
    ///
    /// # Errors
    /// When something can't be read, is no file of cases, or no case is there at all.
    pub fn load(path: &std::path::Path) -> Result<Vec<Self>, CaseError> {
        let shown = path.display().to_string();
        let unreadable = |error: std::io::Error| CaseError::new(&shown, format!("can't be read: {error}"));
        let mut files = vec![path.to_owned()];
        if path.is_dir() {
            let entries = std::fs::read_dir(path).and_then(|all| all.collect::<Result<Vec<_>, _>>());
            files = entries.map_err(unreadable)?.into_iter().map(|it| it.path()).collect();
            files.retain(|file| file.extension().is_some_and(|it| it == "toml"));
            files.sort();
        }
        let mut suites = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(unreadable)?;
            suites.push(Self::parse(&file.display().to_string(), &text)?);
        }
        if suites.iter().all(|suite| suite.cases.is_empty()) {
            return Err(CaseError::new(&shown, "holds no case; write one [[case]] with a name and an event"));
        }
        Ok(suites)
    }
}
