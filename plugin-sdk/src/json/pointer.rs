//! JSON Pointers (RFC 6901).

use std::fmt;
use std::str::FromStr;

/// A place in a JSON text, such as `/customer/email`: parsed once, used for each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    tokens: Vec<String>,
}

impl Pointer {
    /// Its steps from the outermost value inwards, with escapes resolved.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tokens.iter().map(String::as_str)
    }
}

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        if text.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let path = text.strip_prefix('/').ok_or_else(|| InvalidPointer(text.to_owned()))?;
        // The order matters: `~01` is `~1`, not `/`.
        let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
        Ok(Self { tokens: path.split('/').map(unescape).collect() })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens.iter().try_for_each(|token| write!(f, "/{}", escape(token)))
    }
}

/// A name as a step of a pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Text that is not a JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPointer(String);

impl fmt::Display for InvalidPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a JSON Pointer: it starts with \"/\", like \"/customer/email\"", self.0)
    }
}

impl std::error::Error for InvalidPointer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_reads_and_prints_its_escapes() {
        let pointer: Pointer = "/a~1b/m~0n/~01/".parse().unwrap();
        assert_eq!(pointer.tokens().collect::<Vec<_>>(), ["a/b", "m~n", "~1", ""]);
        assert_eq!(pointer.to_string(), "/a~1b/m~0n/~01/");
        assert!("customer/email".parse::<Pointer>().is_err());
    }
}
