//! Hides places of JSON payloads, and headers, from people: what is not named keeps every byte.

mod place;
mod secrets;

use relay_plugin_sdk::json::{Document, Node};

use place::Place;

pub use secrets::Secrets;

/// What stands in place of a hidden value.
pub const HIDDEN: &str = "[redacted]";

/// Places and headers that are hidden.
#[derive(Debug)]
pub struct Redaction {
    places: Vec<Place>,
    headers: Vec<String>,
}

impl Redaction {
    /// Hides `places`, such as `/customer/email` or `$.customer.email` with `*` for every member or element, and the
    /// headers of these names.
    ///
    /// # Errors
    /// The first place that can't be read, and what is allowed.
    pub fn new(places: &[String], headers: &[String]) -> Result<Self, String> {
        let places = places.iter().map(|it| Place::parse(it)).collect::<Result<_, _>>()?;
        Ok(Self { places, headers: headers.to_vec() })
    }

    /// Whether it hides anything at all.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.hides_places() || !self.headers.is_empty()
    }

    /// Whether it hides places of payloads, so that those it can't look into must not be shown.
    #[must_use]
    pub fn hides_places(&self) -> bool {
        !self.places.is_empty()
    }

    /// Whether it hides the header `name`.
    #[must_use]
    pub fn hides_header(&self, name: &str) -> bool {
        self.headers.iter().any(|it| it.eq_ignore_ascii_case(name))
    }

    /// The values of `document` at hidden places.
    #[must_use]
    pub fn hidden_in<'a>(&self, document: Document<'a>) -> Vec<Node<'a>> {
        let mut found = Vec::new();
        self.places.iter().for_each(|it| it.find(document.root(), &mut found));
        found
    }
}

/// The text of `document` with [`HIDDEN`] in place of `hidden`, which are values in it.
fn without(document: Document<'_>, hidden: &[Node<'_>]) -> String {
    let mut spans: Vec<_> = hidden.iter().map(|it| it.span()).collect();
    // The outer of two that overlap comes first, and takes the inner one with it.
    spans.sort_by_key(|it| (it.start, std::cmp::Reverse(it.end)));
    let (text, mut edited, mut at) = (document.text(), String::new(), 0);
    for span in spans {
        if span.start >= at {
            edited.push_str(&text[at..span.start]);
            edited.push_str(&format!("\"{HIDDEN}\""));
            at = span.end;
        }
    }
    edited.push_str(&text[at..]);
    edited
}
