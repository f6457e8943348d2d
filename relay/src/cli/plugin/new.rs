//! `relay plugin new`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Exit, Failure};
use crate::plugin::template::{self, Created, Sdk, TemplateError};

const EXAMPLES: &str = "\
Examples:
  relay plugin new hello
  relay plugin new plugins/mask-mail --lang rust
  relay plugin new hello --sdk ../outbox-relay/plugin-sdk

The folder's name is the plugin's. Nothing is downloaded: the plugin gets its own copy of the SDK, unless it lies in a
clone of the project or --sdk names one.";

/// What plugins can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Rust, with the SDK.
    Rust,
}

/// Begins a plugin: a folder that compiles, passes its own tests and explains itself.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The folder to make.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What to write it in.
    #[arg(long, value_enum, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
    /// The folder of the SDK to use in place of a copy.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let Language::Rust = arguments.lang;
    let created = template::create(&arguments.folder, arguments.sdk.as_deref()).map_err(failed)?;
    print!("{}", screen(&created));
    Ok(Exit::Done)
}

/// What was made, and what to do with it.
pub(super) fn screen(created: &Created) -> String {
    let sdk = match &created.sdk {
        Sdk::Copied => "a copy of the SDK in sdk".to_owned(),
        Sdk::At(path) => format!("the SDK in {}", path.display()),
    };
    let dir = created.dir.display();
    format!(
        "made    {dir}, with {sdk}\n\
         read    {dir}/src/lib.rs, {dir}/cases/orders.toml\n\
         next    cd {dir}\n        \
         relay plugin test     build it and run its golden cases\n        \
         relay dev             build on every save and see what becomes of events\n"
    )
}

fn failed(error: TemplateError) -> Failure {
    let code = error.code();
    let words = error.to_string();
    let what = words.strip_prefix(code).and_then(|it| it.strip_prefix(": ")).unwrap_or(&words).to_owned();
    let exit = if matches!(error, TemplateError::Name { .. }) { Exit::Usage } else { Exit::Failed };
    Failure::coded(exit, code, what, "").because(&error)
}
