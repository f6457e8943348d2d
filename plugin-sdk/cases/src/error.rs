//! What is wrong with a file of cases.

/// What is wrong with a file of cases, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct CaseError {
    /// The file.
    pub file: String,
    /// What is wrong, in which case, and what is allowed.
    pub what: String,
}

impl CaseError {
    pub(crate) fn new(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), what: what.into() }
    }
}
