//! Colours, where they can be seen; they never carry the meaning alone.

use std::io::IsTerminal as _;

/// Whether and how to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    colour: bool,
}

impl Style {
    /// No colours at all.
    pub(super) const PLAIN: Self = Self { colour: false };
    /// Colours, wherever it goes.
    #[cfg(test)]
    pub(super) const COLOURED: Self = Self { colour: true };

    /// For standard output.
    pub(super) fn of_stdout() -> Self {
        Self { colour: std::io::stdout().is_terminal() && wanted() }
    }

    /// For standard error.
    pub(super) fn of_stderr() -> Self {
        Self { colour: std::io::stderr().is_terminal() && wanted() }
    }

    pub(super) fn error(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn warning(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    pub(super) fn frame(self, text: &str) -> String {
        self.paint("34", text)
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether the user has not asked for no colours (`NO_COLOR` set to anything).
pub(super) fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}
