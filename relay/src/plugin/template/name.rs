//! Names of a plugin's crate and of its type.

use super::TemplateError;

/// The longest name that registries take.
const LONGEST: usize = 64;

/// Words that no crate may be called: Rust's own, and crates that a plugin needs under their names.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "relay-plugin-cases",
    "relay-plugin-sdk",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Types that the template has in scope.
const IN_SCOPE: &[&str] = &[
    "Box",
    "Clone",
    "Config",
    "Copy",
    "Customer",
    "Debug",
    "Default",
    "Deserialize",
    "Drop",
    "Eq",
    "Err",
    "Event",
    "EventBuilder",
    "Fault",
    "Fn",
    "From",
    "Harness",
    "Into",
    "Iterator",
    "JsonSchema",
    "Message",
    "None",
    "Ok",
    "Option",
    "Ord",
    "Order",
    "Plugin",
    "Problem",
    "Result",
    "Self",
    "Send",
    "Serialize",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToString",
    "Vec",
    "Verdict",
];

/// Checks the name of a crate.
pub(super) fn check(name: &str) -> Result<(), TemplateError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let right = starts && !name.ends_with('-') && name.len() <= LONGEST && name.chars().all(fits);
    if right && !RESERVED.contains(&name) {
        Ok(())
    } else {
        Err(TemplateError::Name { name: name.to_owned() })
    }
}

/// The type for a crate: `mask-mail` makes `MaskMail`.
pub(super) fn type_of(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    let name: String = name.split('-').map(capital).collect();
    if IN_SCOPE.contains(&name.as_str()) { name + "Plugin" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates() {
        for right in ["hello", "mask-mail", "v2", "a"] {
            check(right).unwrap();
        }
        for wrong in
            ["", "Hello", "2fast", "mask_mail", "fn", "serde", "a-", "-a", "größe", "a/b", &"x".repeat(65)]
        {
            assert_eq!(check(wrong).unwrap_err().code(), "P170", "{wrong}");
        }
    }

    #[test]
    fn the_type_has_a_name_of_its_own() {
        assert_eq!(type_of("mask-mail"), "MaskMail");
        assert_eq!(type_of("order"), "OrderPlugin");
    }
}
