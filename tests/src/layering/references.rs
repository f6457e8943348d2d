//! Which modules and crates a source file names, in `use` lines and inline.

use std::collections::HashMap;

/// A path as the file means it: segments after resolving `crate`, `self`, `super`, children and imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Whether the path begins at the crate's own root; otherwise its first segment is another crate.
    pub own: bool,
    /// `["sink", "kafka", "KafkaSink"]`.
    pub segments: Vec<String>,
}

/// What the file of module `module` (`["sink", "kafka"]`) refers to outside its tests. `children` are the
/// modules that it declares.
#[must_use]
pub fn references(source: &str, module: &[&str], children: &[String]) -> Vec<Reference> {
    let code = without_tests(&without_comments_and_text(source));
    let (uses, rest) = split_uses(&code);
    let mut imported: HashMap<String, Vec<String>> = HashMap::new();
    let mut found = Vec::new();
    for tree in uses {
        for (path, name) in expand(&tree) {
            imported.insert(name, path.clone());
            found.extend(resolve(&path, module, children));
        }
    }
    for path in inline_paths(&rest) {
        let aliased = path.first().and_then(|first| imported.get(first)).map(|target| {
            let mut whole = target.clone();
            whole.extend_from_slice(&path[1..]);
            whole
        });
        found.extend(resolve(aliased.as_ref().unwrap_or(&path), module, children));
    }
    found.sort();
    found.dedup();
    found
}

fn resolve(path: &[String], module: &[&str], children: &[String]) -> Option<Reference> {
    let first = path.first()?.as_str();
    let mut base: Vec<String> = module.iter().map(|&it| it.to_owned()).collect();
    let mut rest = path;
    match first {
        // The program names the library by its name.
        "crate" | "relay" => {
            base.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|it| it == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        child if children.iter().any(|it| it == child) => {}
        "Self" | "std" | "core" | "alloc" => return None,
        _ => return Some(Reference { own: false, segments: path.to_vec() }),
    }
    base.extend_from_slice(rest);
    Some(Reference { own: true, segments: base })
}

/// Blanks comments, strings and characters, so that what they hold is not taken for code.
fn without_comments_and_text(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = hashes + 2;
            rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len())
        } else if next == '"' {
            string_length(rest)
        } else if next == '\'' {
            character_length(rest)
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skipped..];
    }
    code
}

/// The number of hashes of a raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `'x'` or `'\n'`; 1 for the quote of a lifetime.
fn character_length(text: &str) -> usize {
    if let Some(escape) = text.strip_prefix("'\\") {
        return escape.find('\'').map_or(1, |end| if end == 0 { 4 } else { end + 3 });
    }
    match text.char_indices().nth(2) {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

/// Removes modules that only tests have: those may name what they test with.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let block = rest.find(['{', ';']).unwrap_or(rest.len());
        let end = if rest[block..].starts_with('{') { block + block_length(&rest[block..]) } else { block };
        rest = &rest[end.min(rest.len())..];
    }
    kept.push_str(rest);
    kept
}

fn block_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The trees of all `use` declarations, and the code without them.
fn split_uses(code: &str) -> (Vec<String>, String) {
    let mut trees = Vec::new();
    let mut rest = String::with_capacity(code.len());
    let mut before = 0;
    for (at, _) in code.match_indices("use ") {
        let starts_word = !code[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_');
        if at < before || !starts_word {
            continue;
        }
        let end = code[at..].find(';').map_or(code.len(), |it| at + it);
        rest.push_str(&code[before..at]);
        trees.push(code[at + 4..end].split_whitespace().collect::<Vec<_>>().join(" "));
        before = end;
    }
    rest.push_str(&code[before..]);
    (trees, rest)
}

/// Each leaf of a `use` tree as its path and the name that it gets.
fn expand(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim().trim_start_matches("::");
    let Some(open) = tree.find('{') else {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name)));
        let mut path: Vec<String> = path.split("::").map(|it| it.trim().to_owned()).collect();
        if path.last().is_some_and(|it| it == "self") && path.len() > 1 {
            path.pop();
        }
        let name = alias.map(str::to_owned).or_else(|| path.last().cloned()).unwrap_or_default();
        return vec![(path, name.trim().to_owned())];
    };
    let prefix = tree[..open].trim().trim_end_matches("::");
    let inner = tree[open..].trim();
    let inner = inner.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(inner);
    split_top_level(inner)
        .into_iter()
        .flat_map(|part| {
            expand(&if prefix.is_empty() { part.to_owned() } else { format!("{prefix}::{part}") })
        })
        .collect()
}

fn split_top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[start..].trim());
    parts.retain(|it| !it.is_empty());
    parts
}

/// Every `a::b…` in code.
fn inline_paths(code: &str) -> Vec<Vec<String>> {
    code.split(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':'))
        .map(|word| word.trim_matches(':'))
        .filter(|word| word.contains("::") && word.starts_with(|it: char| it.is_lowercase()))
        .map(|word| word.split("::").map(str::to_owned).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(source: &str) -> Vec<String> {
        references(source, &["sink", "kafka"], &["producer".to_owned()])
            .into_iter()
            .map(|it| format!("{}{}", if it.own { "crate::" } else { "" }, it.segments.join("::")))
            .collect()
    }

    #[test]
    fn each_way_of_naming_a_module_is_seen() {
        assert_eq!(named("use crate::config::Settings;"), ["crate::config::Settings"]);
        assert_eq!(named("pub(crate) use super::super::pipeline;"), ["crate::pipeline"]);
        assert_eq!(named("use producer::Producer;"), ["crate::sink::kafka::producer::Producer"]);
        assert_eq!(
            named("use crate::{app, store::{self, Store as S}};"),
            ["crate::app", "crate::store", "crate::store::Store"]
        );
        assert_eq!(named("fn f() { crate::app::run(); }"), ["crate::app::run"]);
        assert_eq!(
            named("use crate::store; fn f() { store::sqlite::open(); }").last().unwrap(),
            "crate::store::sqlite::open"
        );
        assert_eq!(named("use sqlx::PgPool;"), ["sqlx::PgPool"]);
    }

    #[test]
    fn comments_text_and_tests_are_not_code() {
        assert!(named("// use crate::app;\n/// [`crate::app::run`]\n/* crate::app::x */").is_empty());
        assert!(
            named("const A: &str = \"crate::app::run \\\" \"; const B: &str = r#\"use crate::app;\"#;")
                .is_empty()
        );
        assert!(named("#[cfg(test)]\nmod tests { use crate::app; fn f() { if x { } } }").is_empty());
        assert!(named("#[cfg(test)]\nmod tests;").is_empty());
        assert_eq!(
            named("fn f<'a>(x: &'a str) { x.split('\"'); x.split('\\''); crate::app::g() }"),
            ["crate::app::g"]
        );
    }
}
