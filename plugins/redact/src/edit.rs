//! Changes to a JSON text, made in one pass from front to back.

use std::ops::Range;

use relay_plugin_sdk::json::{Kind, Node};
use sha2::{Digest, Sha256};

use crate::pattern::{Action, Active, Pattern};

/// Collects the changes that `patterns` ask for in `root`.
pub(crate) fn redact(root: Node<'_>, patterns: &[Pattern], edits: &mut Edits<'_>) {
    let active: Vec<_> = patterns.iter().map(Active::at_root).collect();
    inside(root, &active, edits);
}

/// The changes inside one object or array. It goes only as deep as the longest pattern.
fn inside(node: Node<'_>, active: &[Active<'_>], edits: &mut Edits<'_>) {
    match node.kind() {
        Kind::Object => {
            let members = node.members().map(|member| (member.name(), member.span(), member.value));
            parts(members, active, edits);
        }
        Kind::Array => {
            let elements = node.elements().enumerate();
            parts(elements.map(|(index, it)| (index.to_string().into(), it.span(), it)), active, edits);
        }
        Kind::Text | Kind::Number | Kind::Bool | Kind::Null => {}
    }
}

/// A member or element: its name, its bytes from name to value, its value.
type Part<'a> = (std::borrow::Cow<'a, str>, Range<usize>, Node<'a>);

fn parts<'a>(parts: impl Iterator<Item = Part<'a>>, active: &[Active<'_>], edits: &mut Edits<'_>) {
    let mut parts = parts.peekable();
    // A removed part takes one comma with it: the one before it, if a part that stays comes first, else the
    // one after it.
    let mut end_of_previous = None;
    let mut one_stays = false;
    while let Some((name, span, value)) = parts.next() {
        let here: Vec<_> = active.iter().filter_map(|pattern| pattern.step_into(&name)).collect();
        match action(&here) {
            Some(Action::Remove) => {
                let from = if one_stays { end_of_previous.unwrap_or(span.start) } else { span.start };
                let next = parts.peek().map_or(span.end, |(_, next, _)| next.start);
                edits.replace(from..if one_stays { span.end } else { next }, "");
            }
            Some(Action::Hash) => {
                one_stays = true;
                hash(value, edits);
            }
            None => {
                one_stays = true;
                if !here.is_empty() {
                    inside(value, &here, edits);
                }
            }
        }
        end_of_previous = Some(span.end);
    }
}

fn action(arrived: &[Active<'_>]) -> Option<Action> {
    let mut actions = arrived.iter().filter_map(|pattern| pattern.arrived());
    let first = actions.next()?;
    let removed = first == Action::Remove || actions.any(|action| action == Action::Remove);
    Some(if removed { Action::Remove } else { Action::Hash })
}

fn hash(value: Node<'_>, edits: &mut Edits<'_>) {
    if value.kind() == Kind::Null {
        return;
    }
    let digest = match value.scalar() {
        Some(text) => Sha256::digest(text.as_bytes()),
        None => Sha256::digest(value.raw().as_bytes()),
    };
    let mut replacement = String::with_capacity(74);
    replacement.push_str("\"sha256:");
    for byte in digest {
        replacement.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
    }
    replacement.push('"');
    edits.replace(value.span(), &replacement);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A text with parts of it replaced, from front to back.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    text: &'a str,
    done: String,
    /// Up to where `text` is already in `done`, changed or not.
    at: usize,
}

impl<'a> Edits<'a> {
    /// No changes to `text` yet.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, done: String::new(), at: 0 }
    }

    fn replace(&mut self, span: Range<usize>, with: &str) {
        if self.at == 0 {
            self.done.reserve(self.text.len() + with.len());
        }
        self.done.push_str(&self.text[self.at..span.start]);
        self.done.push_str(with);
        self.at = span.end;
    }

    /// The changed text; `None` where nothing was to be changed.
    pub(crate) fn finish(mut self) -> Option<String> {
        if self.at == 0 {
            return None;
        }
        self.done.push_str(&self.text[self.at..]);
        Some(self.done)
    }
}
