//! Why a command can't go on, and the screen that says so.

use std::borrow::Cow;
use std::error::Error;

use super::diagnostics;
use super::exit::Exit;
use super::style::Style;
use crate::app::AppError;
use crate::config::Diagnostic;
use crate::explain;
use crate::plugin::PluginError;
use crate::source::SourceError;
use crate::store::StoreError;

/// Why a command can't go on.
#[derive(Debug)]
pub enum Failure {
    /// Mistakes in the configuration or in the flags that stand for one.
    Configuration(Vec<Diagnostic>),
    /// Anything else.
    Other(Report),
}

/// One failure, for people.
#[derive(Debug)]
pub struct Report {
    /// How the process ends.
    pub exit: Exit,
    /// Stable code, where there is one.
    pub code: Option<Cow<'static, str>>,
    /// What happened.
    pub what: String,
    /// What caused it, nearest first.
    pub causes: Vec<String>,
    /// What to do; empty: what the code's page says.
    pub remedy: String,
}

impl Failure {
    /// A failure with a stable code.
    #[must_use]
    pub fn coded(exit: Exit, code: &'static str, what: String, remedy: &str) -> Self {
        let code = Some(Cow::Borrowed(code));
        Self::Other(Report { exit, code, what, causes: Vec::new(), remedy: remedy.to_owned() })
    }

    /// The same failure with what caused it, as far as the causes say more than it does itself.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        if let Self::Other(report) = &mut self {
            report.causes = causes(error.source());
        }
        self
    }

    /// Wrong usage that the parser of arguments can't see.
    #[must_use]
    pub fn usage(what: String, remedy: &str) -> Self {
        let remedy = remedy.to_owned();
        Self::Other(Report { exit: Exit::Usage, code: None, what, causes: Vec::new(), remedy })
    }

    /// What was asked for is not there.
    #[must_use]
    pub fn not_found(what: String, remedy: &str) -> Self {
        let remedy = remedy.to_owned();
        Self::Other(Report { exit: Exit::Failed, code: None, what, causes: Vec::new(), remedy })
    }

    /// The operating system refused something that every command needs.
    #[must_use]
    pub fn setup(cause: &std::io::Error) -> Self {
        let what = "this process can't be set up".to_owned();
        Self::Other(Report {
            exit: Exit::Environment,
            code: Some(Cow::Borrowed("C042")),
            what,
            causes: vec![cause.to_string()],
            remedy: String::new(),
        })
    }

    /// How the process ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Configuration(_) => Exit::Configuration,
            Self::Other(report) => report.exit,
        }
    }

    pub(super) fn screen(&self, style: Style) -> String {
        match self {
            Self::Configuration(found) => diagnostics::screen(found, style),
            Self::Other(report) => report.screen(style),
        }
    }
}

impl Report {
    fn screen(&self, style: Style) -> String {
        let page = self.code.as_deref().and_then(explain::page);
        let label = self.code.as_ref().map_or_else(|| "error".to_owned(), |code| format!("error[{code}]"));
        let mut text = format!("{}: {}\n", style.error(&label), style.strong(&self.what));
        for cause in &self.causes {
            text.push_str(&format!("   because {cause}\n"));
        }
        if let Some(page) = page {
            text.push_str(&format!("   {}\n", first_sentence(page.body)));
        }
        if !self.remedy.is_empty() {
            text.push_str(&format!("   {}\n", self.remedy));
        }
        if let Some(page) = page {
            text.push_str(&format!("relay explain {} tells more\n", page.code));
        }
        text
    }
}

/// What a page says first; its lines end where they are full.
fn first_sentence(body: &str) -> String {
    let paragraph = body.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    paragraph.split_once(". ").map_or(paragraph.clone(), |(first, _)| format!("{first}."))
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(found: Vec<Diagnostic>) -> Self {
        Self::Configuration(found)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let report = match error {
            SourceError::Unavailable { code, what, cause } => outside(code, what, &driver_causes(cause), ""),
            SourceError::Refused { code, what, remedy } => outside(code, what, &[], &remedy),
        };
        Self::Other(report)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let report = match error {
            StoreError::Unavailable { code, what, cause } => outside(code, what, &driver_causes(cause), ""),
            StoreError::Refused { code, what, remedy } => outside(code, what, &[], &remedy),
            StoreError::Lost { lane, term } => {
                let what = format!("lane {lane} belongs to another relay now (our term was {term})");
                Report { exit: Exit::OwnershipLost, ..outside("T501", what, &[], "") }
            }
            StoreError::Owned { lane, owner, term } => {
                let what = format!("lane {lane} belongs to {owner} (term {term})");
                let remedy = "stop that relay, or run this one without --no-standby";
                Report { exit: Exit::OwnershipLost, ..outside("T501", what, &[], remedy) }
            }
        };
        Self::Other(report)
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Self::Other(outside(
            error.code,
            format!("plugin {:?}: {}", error.plugin, error.what),
            &[],
            &error.remedy,
        ))
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Source(error) => error.into(),
            AppError::Store(error) => error.into(),
            AppError::Plugins(errors) => plugins(errors.0),
            AppError::Host(error) => Self::coded(Exit::Environment, "P110", error.to_string(), ""),
            AppError::Build(error) => super::plugin::failed(error),
            AppError::Admin(error) => {
                Self::coded(Exit::Environment, error.code(), error.to_string(), "").because(&error)
            }
            AppError::Disproved(what) => {
                let (code, causes, remedy) = (None, Vec::new(), String::new());
                Self::Other(Report { exit: Exit::Failed, code, what, causes, remedy })
            }
            AppError::Refused { code, what, remedy } => Self::Other(outside(code, what, &[], &remedy)),
        }
    }
}

/// The first plugin's error in full, and the others named beside it.
fn plugins(errors: Vec<PluginError>) -> Failure {
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else {
        return Failure::coded(Exit::Environment, "P110", "plugins can't be loaded".to_owned(), "");
    };
    let mut failure = Failure::from(first);
    if let Failure::Other(report) = &mut failure {
        report.remedy.extend(errors.map(|other| format!("\n   also {other}")));
    }
    failure
}

fn outside(code: &'static str, what: String, causes: &[String], remedy: &str) -> Report {
    Report {
        exit: Exit::Environment,
        code: Some(Cow::Borrowed(code)),
        what,
        causes: causes.to_vec(),
        remedy: remedy.to_owned(),
    }
}

/// What the drivers of servers said, in their own types.
fn driver_causes(error: Option<Box<dyn Error + Send + Sync>>) -> Vec<String> {
    error.map(|it| causes(Some(it.as_ref()))).unwrap_or_default()
}

fn causes(mut next: Option<&(dyn Error + 'static)>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    while let Some(error) = next {
        let words = error.to_string();
        // Drivers often repeat their cause in their own words.
        if !all.iter().any(|it| it.contains(&words)) {
            all.push(words);
        }
        next = error.source();
    }
    all
}
