//! Places in a payload, with wildcards.

use relay_plugin_sdk::json::Pointer;

/// What becomes of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is taken out.
    Remove,
    /// Its hash takes its place.
    Hash,
}

/// Places in a payload, and what becomes of them.
#[derive(Debug)]
pub(crate) struct Pattern {
    steps: Vec<Step>,
    action: Action,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Any,
    Named(String),
}

impl Pattern {
    /// Reads `pointer`, in which `*` as a step stands for every member or element.
    pub(crate) fn new(pointer: &str, action: Action) -> Result<Self, String> {
        let pointer: Pointer = pointer.parse().map_err(|error| format!("{error}"))?;
        let step = |token: &str| if token == "*" { Step::Any } else { Step::Named(token.to_owned()) };
        let steps: Vec<_> = pointer.tokens().map(step).collect();
        if steps.is_empty() {
            return Err("is the whole payload; name places in it, such as \"/customer\"".to_owned());
        }
        Ok(Self { steps, action })
    }
}

/// A pattern on its way inwards: which of its steps comes next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Active<'p> {
    pattern: &'p Pattern,
    next: usize,
}

impl<'p> Active<'p> {
    /// At the outermost value.
    pub(crate) fn at_root(pattern: &'p Pattern) -> Self {
        Self { pattern, next: 0 }
    }

    /// At the member or element called `name`, if this pattern goes there.
    pub(crate) fn step_into(self, name: &str) -> Option<Self> {
        let goes = match self.pattern.steps.get(self.next)? {
            Step::Any => true,
            Step::Named(own) => own == name,
        };
        goes.then_some(Self { pattern: self.pattern, next: self.next + 1 })
    }

    /// What becomes of the value it has arrived at; `None` while it has further to go.
    pub(crate) fn arrived(self) -> Option<Action> {
        (self.next == self.pattern.steps.len()).then_some(self.pattern.action)
    }
}
