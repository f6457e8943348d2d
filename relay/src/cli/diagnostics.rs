//! The screen of mistakes in a configuration.

use super::style::Style;
use crate::config::{Diagnostic, Place, Severity};

/// Every mistake with its place, what is allowed, and a count at the end.
pub(super) fn screen(found: &[Diagnostic], style: Style) -> String {
    let places = found.iter().filter_map(|it| it.place.as_ref());
    let gutter = places.clone().map(|it| it.line.to_string().len()).max().unwrap_or(1).max(2);
    let column = places.map(|it| location(it).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for diagnostic in found {
        text.push_str(&heading(diagnostic, style));
        match &diagnostic.place {
            Some(place) => text.push_str(&placed(diagnostic, place, gutter, column, style)),
            None if diagnostic.allowed.is_empty() => {}
            None => text.push_str(&format!("   {}\n", diagnostic.allowed)),
        }
    }
    text.push_str(&summary(found));
    text
}

fn heading(diagnostic: &Diagnostic, style: Style) -> String {
    let label = format!("{}[{}]", diagnostic.severity, diagnostic.code);
    let label = match diagnostic.severity {
        Severity::Error => style.error(&label),
        Severity::Warning => style.warning(&label),
    };
    let origin = match (&diagnostic.place, diagnostic.origin.as_str()) {
        (Some(_), _) | (None, "") => String::new(),
        (None, origin) => format!("{origin}: "),
    };
    format!("{label}: {origin}{}\n", style.strong(&diagnostic.message))
}

fn placed(found: &Diagnostic, place: &Place, gutter: usize, column: usize, style: Style) -> String {
    let location = location(place);
    let mut text = format!("{:gutter$} {location:column$}  {}", "", found.path).trim_end().to_owned() + "\n";
    let bar = style.frame("│");
    let margin = " ".repeat(gutter);
    if let Some(line) = &place.shown {
        let number = style.frame(&format!("{:gutter$}", place.line));
        // Tabs become single spaces, so that the underline stands below what it means.
        let shown = line.text.replace('\t', " ");
        let before = " ".repeat(place.column - 1);
        let underline = style.error(&"^".repeat(line.width));
        text.push_str(&format!("{number} {bar} {}\n", shown.trim_end()));
        text.push_str(format!("{margin} {bar} {before}{underline} {}", found.allowed).trim_end());
        text.push('\n');
    } else if !found.allowed.is_empty() {
        text.push_str(&format!("{margin} {bar} {}\n", found.allowed));
    }
    text
}

fn location(place: &Place) -> String {
    format!("{}:{}:{}", place.file, place.line, place.column)
}

fn summary(found: &[Diagnostic]) -> String {
    let errors = found.iter().filter(|it| it.is_error()).count();
    let warnings = found.len() - errors;
    let counted: Vec<String> = [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }))
        .collect();
    let first = found.iter().find(|it| it.is_error()).or(found.first());
    let more = first.map(|it| format!("; relay explain {} tells more", it.code)).unwrap_or_default();
    format!("{}{more}\n", counted.join(", "))
}
