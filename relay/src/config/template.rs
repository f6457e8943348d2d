//! Routes: text with placeholders.

/// What a route may be made of.
pub(super) const PLACEHOLDERS: &[&str] = &["aggregatetype", "aggregateid", "type", "id"];

/// A mistake in a route.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RouteMistake {
    /// What is wrong.
    pub(super) what: String,
    /// The placeholder as it was written, where that is what is wrong.
    pub(super) placeholder: Option<String>,
}

/// Checks that every brace of `route` belongs to a placeholder that exists.
pub(super) fn check(route: &str) -> Result<(), RouteMistake> {
    let broken = |what: &str| RouteMistake { what: what.to_owned(), placeholder: None };
    let mut rest = route;
    while let Some(at) = rest.find(['{', '}']) {
        if rest[at..].starts_with('}') {
            return Err(broken("a \"}\" has no \"{\" before it"));
        }
        let inner = &rest[at + 1..];
        let end = inner.find('}').ok_or_else(|| broken("a \"{\" is not closed by \"}\""))?;
        let placeholder = &inner[..end];
        if !PLACEHOLDERS.contains(&placeholder) {
            return Err(RouteMistake {
                what: format!("{{{placeholder}}} is not a placeholder"),
                placeholder: Some(placeholder.to_owned()),
            });
        }
        rest = &inner[end + 1..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_knows_four_placeholders_and_closes_its_braces() {
        for good in ["", "orders", "outbox.event.{aggregatetype}", "/{type}/{aggregateid}/{id}"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for wrong in ["{", "}", "a{type", "{}", "{key}", "{type}}", "{{type}}"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert_eq!(check("{aggregate}").unwrap_err().placeholder.as_deref(), Some("aggregate"));
    }
}
