//! The file being read, and the mistakes found in it so far.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Line, Place, Severity};
use super::{Environment, codes};

/// A value's place in the document.
#[derive(Debug, Clone, Default)]
pub(super) struct Spot {
    /// Bytes of the file.
    pub(super) span: Range<usize>,
    /// The key from the top.
    pub(super) path: String,
}

/// A text from the file, after interpolation, with its place.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) spot: Spot,
}

/// The file being read.
pub(super) struct Document<'a> {
    pub(super) env: Environment<'a>,
    file: &'a str,
    text: &'a str,
    found: RefCell<Vec<(usize, Diagnostic)>>,
    secrets: RefCell<Vec<Range<usize>>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, file: &'a str, env: Environment<'a>) -> Self {
        Self { env, file, text, found: RefCell::default(), secrets: RefCell::default() }
    }

    /// A mistake whose line is worth showing.
    pub(super) fn error(&self, code: &'static str, spot: &Spot, message: String, allowed: impl Into<String>) {
        self.push(Severity::Error, code, spot, message, allowed.into(), true);
    }

    /// A mistake that is about two places, so that one line alone does not explain it.
    pub(super) fn reference(
        &self,
        code: &'static str,
        spot: &Spot,
        message: String,
        allowed: impl Into<String>,
    ) {
        self.push(Severity::Error, code, spot, message, allowed.into(), false);
    }

    /// Something that works, and was hardly meant.
    pub(super) fn warning(&self, code: &'static str, spot: &Spot, message: String, allowed: &str) {
        self.push(Severity::Warning, code, spot, message, allowed.to_owned(), false);
    }

    /// The line that holds `span` is never shown.
    pub(super) fn keep_secret(&self, span: Range<usize>) {
        self.secrets.borrow_mut().push(span);
    }

    /// A path of the file, relative to the folder of the file itself.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        Path::new(self.file).parent().unwrap_or(Path::new("")).join(path)
    }

    /// Everything found, in the order of the file.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let secrets = self.secrets.into_inner();
        let mut found = self.found.into_inner();
        found.sort_by_key(|(start, _)| *start);
        let hide = |(start, mut diagnostic): (usize, Diagnostic)| {
            let line = line_around(self.text, start);
            if secrets.iter().any(|it| it.start < line.end && line.start < it.end)
                && let Some(place) = &mut diagnostic.place
            {
                place.shown = None;
            }
            diagnostic
        };
        found.into_iter().map(hide).collect()
    }

    fn push(
        &self,
        severity: Severity,
        code: &'static str,
        spot: &Spot,
        message: String,
        allowed: String,
        show: bool,
    ) {
        let place = self.place(&spot.span, show && !self.may_hold_password(spot.span.start, code));
        let diagnostic = Diagnostic {
            severity,
            code,
            message,
            place: Some(place),
            origin: self.file.to_owned(),
            path: spot.path.clone(),
            allowed,
        };
        self.found.borrow_mut().push((spot.span.start, diagnostic));
    }

    fn place(&self, span: &Range<usize>, show: bool) -> Place {
        let line = line_around(self.text, span.start);
        let before = &self.text[line.start..span.start.min(self.text.len())];
        let underlined = self.text.get(span.start..span.end.min(line.end)).unwrap_or_default();
        Place {
            file: self.file.to_owned(),
            line: self.text[..line.start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            shown: show
                .then(|| Line { text: self.text[line].to_owned(), width: underlined.chars().count().max(1) }),
        }
    }

    /// Whether a line that was not understood may hold a password in the clear.
    fn may_hold_password(&self, start: usize, code: &str) -> bool {
        let line = self.text[line_around(self.text, start)].to_lowercase();
        let unread = code == codes::SYNTAX || code == codes::UNKNOWN_KEY;
        let telling = ["secret", "pass", "token", "key", "auth", "credential"];
        line.contains('@') || (unread && telling.iter().any(|it| line.contains(it)))
    }
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |it| it + 1);
    let end = text[at..].find('\n').map_or(text.len(), |it| at + it);
    start..end
}
