//! One mistake in a configuration: where, what, and what is allowed.

use std::fmt;

/// One mistake, or one thing worth a second look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// Stable code, `C0xx`.
    pub code: &'static str,
    /// What is wrong, in one sentence without an end mark. Never holds a secret.
    pub message: String,
    /// Where it is; `None` for what has no line: the whole file, or a flag.
    pub place: Option<Place>,
    /// The file where there is no place, or the name of the flag.
    pub origin: String,
    /// The key from the top, `sink.events.type`; empty where there is none.
    pub path: String,
    /// What is allowed instead, and a guess at what was meant.
    pub allowed: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The relay refuses to start.
    Error,
    /// The relay starts.
    Warning,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The line itself, where it helps and holds no secret.
    pub shown: Option<Line>,
}

/// A line of a file with a part underlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line, without its end.
    pub text: String,
    /// Characters underlined from the place's column on, at least one.
    pub width: usize,
}

impl Diagnostic {
    /// A mistake without a line of its own.
    pub(crate) fn without_line(code: &'static str, origin: &str, message: String, allowed: &str) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message,
            place: None,
            origin: origin.to_owned(),
            path: String::new(),
            allowed: allowed.to_owned(),
        }
    }

    /// Whether the relay refuses to start because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}:{}:{}: ", place.file, place.line, place.column)?,
            None if self.origin.is_empty() => {}
            None => write!(f, "{}: ", self.origin)?,
        }
        write!(f, "{}: {}", self.code, self.message)?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, "; {}", self.allowed) }
    }
}
