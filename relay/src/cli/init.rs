//! `relay init`

mod template;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Exit, Failure, block_on};
use crate::app::outbox::{OutboxError, OutboxKind, OutboxScripts};

const EXAMPLES: &str = "\
Examples:
  relay init                                              relay.toml for Postgres and Kafka, and its SQL
  relay init --source sqlite --sink http --print
  relay init --table shop.outbox --role relay --apply --url postgres://owner@localhost/shop

The first script is for the owner of the database: it makes the outbox. The second gives the relay's role the
least that it needs. Both may be run again. --apply runs both, as the user that --url names.";

/// Writes a configuration, and prints or applies the SQL of the outbox.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The configuration to write; one that is there is never replaced.
    #[arg(long, short, value_name = "FILE", env = "RELAY_CONFIG", default_value = "relay.toml")]
    config: PathBuf,
    /// Where the outbox is.
    #[arg(long, value_enum, value_name = "TYPE", default_value = "postgres")]
    source: SourceType,
    /// Where events go.
    #[arg(long, value_enum, value_name = "TYPE", default_value = "kafka")]
    sink: SinkType,
    /// The outbox's table [default: public.outbox, with SQLite outbox].
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The role that the relay logs in with.
    #[arg(long, value_name = "NAME", default_value = "relay")]
    role: String,
    /// Print the SQL alone, and write no file.
    #[arg(long, conflicts_with = "apply")]
    print: bool,
    /// Run the SQL, and write no file.
    #[arg(long, requires = "url")]
    apply: bool,
    /// The database to run it in: postgres://OWNER@HOST/DATABASE, or sqlite:PATH.
    #[arg(long, value_name = "URL", requires = "apply")]
    url: Option<String>,
}

/// What may hold an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SourceType {
    /// A Postgres database.
    Postgres,
    /// An SQLite file.
    Sqlite,
}

/// What may receive events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SinkType {
    /// A Kafka cluster.
    Kafka,
    /// NATS JetStream.
    Nats,
    /// An HTTP receiver.
    Http,
    /// Standard output.
    Stdout,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let standard = if arguments.source == SourceType::Postgres { "public.outbox" } else { "outbox" };
    let table = arguments.table.as_deref().unwrap_or(standard);
    let scripts = OutboxScripts::new(arguments.source.into(), table, &arguments.role)?;
    if let (true, Some(url)) = (arguments.apply, &arguments.url) {
        block_on(async { Ok(scripts.apply(url).await?) })?;
        print!("{}", applied(&scripts, table, &arguments.role));
        return Ok(Exit::Done);
    }
    if arguments.print {
        print!("{}", screen(&scripts));
        return Ok(Exit::Done);
    }
    write_new(&arguments.config, &template::configuration(arguments.source, arguments.sink, table))?;
    print!("{}", screen(&scripts));
    eprintln!("wrote {}; next: relay check, then relay run", arguments.config.display());
    Ok(Exit::Done)
}

/// Both scripts, each saying whose it is.
pub(super) fn screen(scripts: &OutboxScripts) -> String {
    let owner = format!("-- 1. As the owner of the database: the outbox.\n{}\n", scripts.owner.trim_end());
    match &scripts.relay {
        None => owner,
        Some(relay) => {
            let relay = relay.trim_end();
            format!("{owner}\n-- 2. As the owner too: what the relay's role may do.\n{relay}\n")
        }
    }
}

fn applied(scripts: &OutboxScripts, table: &str, role: &str) -> String {
    match scripts.relay {
        None => format!("the outbox {table} is ready\n"),
        Some(_) => format!("the outbox {table} is ready, and the role {role} may read it\n"),
    }
}

impl From<SourceType> for OutboxKind {
    fn from(source: SourceType) -> Self {
        match source {
            SourceType::Postgres => Self::Postgres,
            SourceType::Sqlite => Self::Sqlite,
        }
    }
}

impl From<OutboxError> for Failure {
    fn from(error: OutboxError) -> Self {
        match &error {
            OutboxError::Table(_) => {
                Self::usage(error.to_string(), "use --table TABLE or --table SCHEMA.TABLE")
            }
            OutboxError::NotBuiltIn(kind) => {
                let what = format!("this relay is built without the source type {kind:?}");
                Self::coded(Exit::Failed, "C014", what, "")
            }
            OutboxError::Refused(_) => {
                Self::coded(Exit::Environment, "C044", "the SQL could not be run".to_owned(), "")
                    .because(&error)
            }
        }
    }
}

fn write_new(path: &PathBuf, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let what = format!("{} is there already", path.display());
            Failure::coded(
                Exit::Failed,
                "C045",
                what,
                "name another file with --config, or print the SQL alone with --print",
            )
        }
        _ => Failure::coded(
            Exit::Failed,
            "C043",
            format!("{} can't be written: {error}", path.display()),
            "name a file in a folder that may be written with --config",
        ),
    })
}
