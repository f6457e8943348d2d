//! What somebody who attaches asks for.

use serde::{Deserialize, Serialize};

use super::Filter;
use super::screen::Screen;

/// Bytes of one payload, body or value that are shown unless others are asked for: a screen of text.
const MAX_BYTES: usize = 4_096;

/// What somebody who attaches asks for: the body of `POST /tap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TapRequest {
    /// Which of all that happens.
    pub filter: Filter,
    /// Places in JSON payloads that are hidden: `/customer/email` or `$.customer.email`, with `*` for every member or
    /// element.
    pub redact: Vec<String>,
    /// Headers whose values are hidden.
    pub redact_headers: Vec<String>,
    /// Bytes of one payload, body or value at most.
    pub max_bytes: usize,
    /// How many lines at most.
    pub limit: Option<u64>,
}

impl TapRequest {
    /// Says what is wrong with it, before anything is dialled.
    ///
    /// # Errors
    /// The first place that can't be read, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        Screen::new(self).map(|_| ())
    }
}

impl Default for TapRequest {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            redact: Vec::new(),
            redact_headers: Vec::new(),
            max_bytes: MAX_BYTES,
            limit: None,
        }
    }
}
