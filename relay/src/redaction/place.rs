//! Places in JSON texts, with wildcards.

use relay_plugin_sdk::json::{Kind, Node, Pointer};

/// A place in a JSON text, or several where a step is `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<Step>);

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Any,
    Named(String),
}

impl Place {
    /// Reads `/customer/email`, or `$.customer.email` and `$.items[*].email`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let steps = match text.strip_prefix('$') {
            Some(path) => path_steps(path),
            None => text.parse::<Pointer>().ok().map(|it| it.tokens().map(step).collect()),
        };
        let steps = steps.filter(|it| !it.is_empty());
        steps.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is no place in a payload: write it as /customer/email or $.customer.email, with * for \
                 every member or element"
            )
        })
    }

    /// Appends the values at this place; of members with the same name every one.
    pub(super) fn find<'a>(&self, root: Node<'a>, found: &mut Vec<Node<'a>>) {
        find(&self.0, root, found);
    }
}

fn step(token: &str) -> Step {
    if token == "*" { Step::Any } else { Step::Named(token.to_owned()) }
}

/// The steps of `.customer.email` and `.items[*].email`.
fn path_steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (token, after) = if let Some(bracket) = rest.strip_prefix('[') {
            let (token, after) = bracket.split_once(']')?;
            let is_index = token == "*" || token.bytes().all(|it| it.is_ascii_digit());
            (Some(token).filter(|_| is_index)?, after)
        } else {
            let name = rest.strip_prefix('.')?;
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        };
        steps.push(Some(token).filter(|it| !it.is_empty()).map(step)?);
        rest = after;
    }
    Some(steps)
}

/// Goes only as deep as there are steps.
fn find<'a>(steps: &[Step], node: Node<'a>, found: &mut Vec<Node<'a>>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(node);
        return;
    };
    let fits = |name: &str| match step {
        Step::Any => true,
        Step::Named(own) => own == name,
    };
    match node.kind() {
        Kind::Object => {
            node.members().filter(|it| fits(&it.name())).for_each(|it| find(rest, it.value, found));
        }
        Kind::Array => {
            let elements = node.elements().enumerate();
            elements.filter(|(index, _)| fits(&index.to_string())).for_each(|(_, it)| find(rest, it, found));
        }
        Kind::Text | Kind::Number | Kind::Bool | Kind::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use relay_plugin_sdk::json::Document;

    use super::*;

    fn found(place: &str, text: &str) -> Vec<String> {
        let mut nodes = Vec::new();
        Place::parse(place).unwrap().find(Document::parse(text.as_bytes()).unwrap().root(), &mut nodes);
        nodes.into_iter().map(|it| it.raw().to_owned()).collect()
    }

    #[test]
    fn both_notations_name_the_same_places_and_members_of_one_name_are_all_found() {
        let text = r#"{"a":{"b/c":1},"items":[{"x":2},{"x":3}],"twice":4,"twice":5}"#;
        assert_eq!(found("/a/b~1c", text), ["1"]);
        assert_eq!(found("$.a.b/c", text), ["1"]);
        assert_eq!(found("/items/*/x", text), ["2", "3"]);
        assert_eq!(found("$.items[*].x", text), ["2", "3"]);
        assert_eq!(found("$.items[1].x", text), ["3"]);
        assert_eq!(found("/twice", text), ["4", "5"]);
        assert_eq!(found("/nowhere", text), [""; 0]);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in ["", "$", "customer.email", "$customer", "$.a..b", "$.a[b]", "$.a[0", "$."] {
            assert!(Place::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
