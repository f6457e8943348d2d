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
    format!("{}  {}\n\n{}\n", page.code, page.title, page.body)
}

fn list(pages: &[Page]) -> String {
    pages.iter().map(|page| format!("{}  {}\n", page.code, page.title)).collect()
}
