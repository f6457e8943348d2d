//! What each code means and what to do: `relay explain CODE`.
//!
//! Each area of the product has one page file, where every code has a section `## CODE Title`.

use std::sync::LazyLock;

/// The page files, each with the first letter and digit of its codes.
const AREAS: &[(&str, &str)] = &[
    ("C0", include_str!("config.md")),
    ("P1", include_str!("plugins.md")),
    ("S2", include_str!("sinks.md")),
    ("D3", include_str!("sources.md")),
    ("R4", include_str!("routes.md")),
    ("T5", include_str!("stores.md")),
    ("E6", include_str!("engine.md")),
];

static PAGES: LazyLock<Vec<Page>> =
    LazyLock::new(|| AREAS.iter().flat_map(|(_, text)| sections(text)).collect());

/// What one code means and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code, `C012`.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// What it means, what the relay does meanwhile, and what to do: Markdown without headings.
    pub body: &'static str,
}

/// The page of `code`, in whichever case it is written.
#[must_use]
pub fn page(code: &str) -> Option<Page> {
    PAGES.iter().copied().find(|page| page.code.eq_ignore_ascii_case(code))
}

/// Every page, in the order of the page files.
#[must_use]
pub fn pages() -> &'static [Page] {
    &PAGES
}

fn sections(text: &'static str) -> impl Iterator<Item = Page> {
    let (first, rest) = match text.strip_prefix("## ") {
        Some(rest) => ("", rest),
        None => text.split_once("\n## ").unwrap_or((text, "")),
    };
    debug_assert!(!first.contains("## "), "a heading before the first section");
    rest.split("\n## ").filter(|it| !it.is_empty()).map(|section| {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        let (code, title) = heading.split_once(' ').unwrap_or((heading, ""));
        Page { code, title: title.trim(), body: body.trim() }
    })
}

#[cfg(test)]
mod tests;
