//! `relay explain`

use clap::Args;

use super::{Exit, Failure};
use crate::explain::{self, Page};

/// Says what a code means and what to do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  relay explain C012\n  relay explain          lists every code")]
pub(super) struct Arguments {
    /// The code, as an error shows it; without one every code is listed.
    code: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let Some(code) = &arguments.code else {
        print!("{}", list(explain::pages()));
        return Ok(Exit::Done);
    };
    let Some(page) = explain::page(code) else {
        return Err(Failure::usage(
            format!("no error has the code {code:?}"),
            "relay explain lists every code",
        ));
    };
    print!("{}", screen(page));
    Ok(Exit::Done)
}

/// The page of one code.
pub(super) fn screen(page: Page) -> String {
    format!("{}  {}\n\n{}", page.code, page.title, wrapped(page.body))
}

fn list(pages: &[Page]) -> String {
    pages.iter().map(|page| format!("{}  {}\n", page.code, page.title)).collect()
}

/// `text` in lines that a terminal need not break, but for code, which stays as it is.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut all = String::new();
    let mut code = false;
    for line in text.lines() {
        code ^= line.starts_with("```");
        let mut width = 0;
        for word in line.split(' ') {
            let letters = word.chars().count();
            if !code && width > 0 && width + 1 + letters > WIDTH {
                all.push('\n');
                width = 0;
            } else if width > 0 {
                all.push(' ');
                width += 1;
            }
            all.push_str(word);
            width += letters;
        }
        all.push('\n');
    }
    all
}
