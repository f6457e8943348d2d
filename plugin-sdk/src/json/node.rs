//! One value inside a JSON text, and the steps from it to others.

use std::borrow::Cow;
use std::ops::Range;

/// One value inside a JSON text.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

impl<'a> Node<'a> {
    /// The value that starts at or after `from`, which must be one.
    pub(super) fn first(text: &'a str, from: usize) -> Self {
        let start = skip_space(text.as_bytes(), from);
        Self { text, start, end: end_of_value(text.as_bytes(), start) }
    }

    /// What kind of value it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.text.as_bytes().get(self.start) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The value as it was written.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.text.get(self.span()).unwrap_or_default()
    }

    /// Its bytes within the document.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        self.start..self.end
    }

    /// The text of a text, of a number or of a truth value; `None` for the others.
    #[must_use]
    pub fn scalar(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::Text => Some(unescape(self.raw())),
            Kind::Number | Kind::Bool => Some(Cow::Borrowed(self.raw())),
            Kind::Object | Kind::Array | Kind::Null => None,
        }
    }

    /// The members of an object in order; none where it is not one.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members(self.inside(Kind::Object))
    }

    /// The elements of an array in order; none where it is not one.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        Elements(self.inside(Kind::Array))
    }

    /// The member called `token`, the last one if there are several, or the element at that index.
    #[must_use]
    pub fn child(self, token: &str) -> Option<Self> {
        match self.kind() {
            Kind::Object => self.members().filter(|member| member.name() == token).last().map(|it| it.value),
            Kind::Array => self.elements().nth(index(token)?),
            _ => None,
        }
    }

    fn inside(self, kind: Kind) -> Inside<'a> {
        let at = if self.kind() == kind { self.start + 1 } else { self.end };
        Inside { text: self.text, at, end: self.end }
    }
}

/// One member of an object.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    name: Node<'a>,
    /// Its value.
    pub value: Node<'a>,
}

impl<'a> Member<'a> {
    /// Its name, with escapes resolved.
    #[must_use]
    pub fn name(self) -> Cow<'a, str> {
        unescape(self.name.raw())
    }

    /// The bytes of its name within the document, quotes included.
    #[must_use]
    pub fn name_span(self) -> Range<usize> {
        self.name.span()
    }

    /// Its bytes within the document, from its name to the end of its value.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        self.name.start..self.value.end
    }
}

/// The members of an object, in order.
#[derive(Debug, Clone)]
pub struct Members<'a>(Inside<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let name = self.0.value()?;
        let value = self.0.value()?;
        Some(Member { name, value })
    }
}

/// The elements of an array, in order.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Inside<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        self.0.value()
    }
}

/// The values between two brackets: those of a well-formed text follow each other with only `,` or `:` between.
#[derive(Debug, Clone, Copy)]
struct Inside<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Inside<'a> {
    fn value(&mut self) -> Option<Node<'a>> {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        if let Some(b',' | b':') = bytes.get(self.at) {
            self.at = skip_space(bytes, self.at + 1);
        }
        // The closing bracket is the last byte before `end`.
        if self.at + 1 >= self.end {
            return None;
        }
        let value = Node::first(self.text, self.at);
        self.at = value.end;
        Some(value)
    }
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    from + bytes.iter().skip(from).take_while(|byte| space(byte)).count()
}

/// The end of the value that starts at `start`, in a well-formed text.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => end_of_text(bytes, start),
        Some(b'{' | b'[') => end_of_container(bytes, start),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            start + bytes.iter().skip(start).take_while(|byte| !ends(byte)).count()
        }
    }
}

fn end_of_container(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = end_of_text(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The text between the quotes. A half of a surrogate pair has no text: such a value stays as it was written.
fn unescape(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str(raw).map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// An array index as JSON Pointer writes it: digits, without leading zeros.
fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use crate::json::Document;

    #[test]
    fn members_and_elements_come_in_order_with_their_bytes() {
        let text = r#"{"a":[1, "]" ,{}],"b\n" : {"c":-1e5}}"#;
        let root = Document::parse(text.as_bytes()).unwrap().root();
        let members: Vec<_> = root.members().map(|it| (it.name().into_owned(), &text[it.span()])).collect();
        assert_eq!(
            members,
            [("a".to_owned(), r#""a":[1, "]" ,{}]"#), ("b\n".to_owned(), r#""b\n" : {"c":-1e5}"#)]
        );
        let elements: Vec<_> = root.child("a").unwrap().elements().map(super::Node::raw).collect();
        assert_eq!(elements, ["1", "\"]\"", "{}"]);
        assert_eq!(root.elements().count(), 0);
        assert_eq!(root.child("a").unwrap().members().count(), 0);
    }

    #[test]
    fn empty_containers_hold_nothing() {
        for text in ["{}", "{ }", "[]", "[\n]", "null", "\"\""] {
            let root = Document::parse(text.as_bytes()).unwrap().root();
            assert_eq!((root.members().count(), root.elements().count()), (0, 0), "{text}");
        }
    }

    #[test]
    fn scalars_read_as_text() {
        let scalar = |text: &'static str| {
            Document::parse(text.as_bytes()).unwrap().root().scalar().map(|it| it.into_owned())
        };
        assert_eq!(scalar(r#""a\"bé""#).as_deref(), Some("a\"bé"));
        assert_eq!(scalar(" 1.50 ").as_deref(), Some("1.50"));
        assert_eq!(scalar("true").as_deref(), Some("true"));
        assert_eq!(scalar("null"), None);
        assert_eq!(scalar("[1]"), None);
        assert_eq!(scalar(r#""\ud800""#).as_deref(), Some(r"\ud800"));
    }
}
