//! `relay plugin new`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Exit, Failure};
use crate::plugin::build;
use crate::plugin::template::{self, Created, Sdk, TemplateError};

const EXAMPLES: &str = "\
Examples:
  relay plugin new hello
  relay plugin new plugins/mask-mail --lang js
  relay plugin new hello --sdk ../outbox-relay/plugin-sdk

The folder's name is the plugin's. Nothing is downloaded: a plugin in Rust gets its own copy of the SDK, unless it lies
in a clone of the project or --sdk names one. In JavaScript and Python the first build needs the network: npm or pip
fetches the tool that makes the component.";

/// What plugins can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Rust, with the SDK: the fastest by far, and works offline.
    Rust,
    /// JavaScript, run by QuickJS; needs Node.js to build.
    Js,
    /// Python, run by CPython; needs Python to build.
    Python,
}

impl From<Language> for build::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::Rust => Self::Rust,
            Language::Js => Self::JavaScript,
            Language::Python => Self::Python,
        }
    }
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
    /// The folder of the SDK for Rust to use in place of a copy.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (folder, sdk) = (&arguments.folder, arguments.sdk.as_deref());
    let created = template::create(folder, arguments.lang.into(), sdk).map_err(failed)?;
    print!("{}", screen(&created));
    Ok(Exit::Done)
}

/// What was made, and what to do with it.
pub(super) fn screen(created: &Created) -> String {
    let (source, sdk) = match &created.sdk {
        Sdk::Copied => ("src/lib.rs", "a copy of the SDK in sdk".to_owned()),
        Sdk::At(path) => ("src/lib.rs", format!("the SDK in {}", path.display())),
        Sdk::OfLanguage(build::Language::Python) => ("plugin.py", "the relay's side in relay.py".to_owned()),
        Sdk::OfLanguage(_) => ("plugin.js", "the relay's side in relay.js".to_owned()),
    };
    let needs = match &created.sdk {
        Sdk::OfLanguage(build::Language::Python) => {
            "needs   Python with venv; the first build fetches componentize-py\n"
        }
        Sdk::OfLanguage(_) => "needs   Node.js with npm; the first build fetches componentize-qjs\n",
        Sdk::Copied | Sdk::At(_) => "",
    };
    let dir = created.dir.display();
    format!(
        "made    {dir}, with {sdk}\n{needs}\
         read    {dir}/{source}, {dir}/cases/orders.toml\n\
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
