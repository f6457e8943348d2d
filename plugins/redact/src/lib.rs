//! Removes or hashes places of JSON payloads.
//!
//! The payload is edited as text: what is not named keeps every byte, with the order of its keys, its white
//! space and its numbers as they were written. An event without any of the places goes on unchanged.

mod edit;
mod pattern;

use relay_plugin_sdk::prelude::*;

use edit::{Edits, redact};
use pattern::{Action, Pattern};

/// Which places, and what becomes of them.
///
/// A place is a JSON Pointer such as `/customer/email`; a step `*` stands for every member or element. Where
/// places overlap, the outer one counts, and removing counts more than hashing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Places that are taken out: members with their names, elements so that later ones move up.
    #[serde(default)]
    remove: Vec<String>,
    /// Places that become "sha256:" and the SHA-256 of their text in hexadecimal; of numbers, objects and arrays
    /// as they were written. Null stays null. Whoever can guess a value can check the guess.
    #[serde(default)]
    hash: Vec<String>,
}

/// Removes or hashes places of JSON payloads.
#[derive(Debug)]
pub struct Redact {
    patterns: Vec<Pattern>,
}

impl Plugin for Redact {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Problem> {
        let mut patterns = Vec::new();
        let mut problems = Vec::new();
        let lists = [("remove", config.remove, Action::Remove), ("hash", config.hash, Action::Hash)];
        for (list, pointers, action) in lists {
            for (index, pointer) in pointers.iter().enumerate() {
                match Pattern::new(pointer, action) {
                    Ok(pattern) => patterns.push(pattern),
                    Err(wrong) => problems.push(Problem::at(format!("/{list}/{index}"), wrong)),
                }
            }
        }
        if patterns.is_empty() && problems.is_empty() {
            problems.push(Problem::whole("names no place; say for example remove = [\"/customer/email\"]"));
        }
        Problem::all(problems).map_or(Ok(Self { patterns }), Err)
    }

    fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
        // A tombstone holds nothing to hide.
        if event.payload().is_none() {
            return Ok(Message::next().into());
        }
        let document = event.document()?;
        let mut edits = Edits::new(document.text());
        redact(document.root(), &self.patterns, &mut edits);
        Ok(edits.finish().map_or_else(Message::next, |body| Message::next().body(body)).into())
    }
}

export!(Redact);

#[cfg(test)]
mod tests;
