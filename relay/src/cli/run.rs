//! `relay run`

use clap::Args;

use super::config_file::{ConfigFile, warn};
use super::logging::LogArguments;
use super::{Exit, Failure, block_on};
use crate::app::{self, Ending, RunOptions};
use crate::config::{self, Config};

const EXAMPLES: &str = "\
Examples:
  relay run
  relay run --config /etc/relay/relay.toml --log-format json
  relay run --outbox sqlite:shop.db --to http://localhost:8080/hooks --start beginning
  relay run --outbox postgres://localhost/shop --table public.outbox \\
      --to nats://localhost:4222/orders.{aggregatetype} --start now

SIGHUP reads plugins and their configurations again, while events flow.
The first signal (SIGINT, SIGTERM) stops reading, waits for what is in flight and settles it; a second one
ends at once. Either way nothing is lost.";

/// Relays events until a signal.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Run without a configuration: the outbox, postgres://… or sqlite:PATH.
    #[arg(long, value_name = "URL", requires = "to", conflicts_with = "config")]
    outbox: Option<String>,
    /// The outbox's table.
    #[arg(long, value_name = "NAME", requires = "outbox")]
    table: Option<String>,
    /// Where events go: kafka://HOST:PORT/TOPIC, nats://HOST:PORT/SUBJECT, http(s)://HOST/PATH or stdout:
    #[arg(long, value_name = "URL", requires = "outbox")]
    to: Option<String>,
    /// Where the first run starts: now or beginning.
    #[arg(long, value_name = "WHERE", requires = "outbox")]
    start: Option<String>,
    /// This relay's name, as status shows it.
    #[arg(long, value_name = "NAME", env = "RELAY_NAME", default_value_t = host_name())]
    name: String,
    /// End with exit code 5 where another relay owns a lane, instead of waiting to take it over.
    #[arg(long)]
    no_standby: bool,
    /// Let people on this machine watch events pass with relay tap, as `[admin] tap = true` does.
    #[arg(long)]
    tap: bool,
    /// Swap in builds of plugins that may use more than the one before, without `accept` in the configuration.
    #[arg(long)]
    accept_permissions: bool,
    /// Do not keep over restarts which builds of plugins ran and which were refused.
    #[arg(long)]
    no_history: bool,
    /// Name file and line where a plugin fails, if its component has line tables: for a plugin's own author, as relay
    /// dev does.
    #[arg(long)]
    source_lines: bool,
    #[command(flatten)]
    log: LogArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<Exit, Failure> {
    arguments.log.start()?;
    let mut config = load(&arguments)?;
    if arguments.tap && config.admin.listen.is_none() {
        let what = "--tap goes through the admin server, and the configuration turns it off".to_owned();
        return Err(Failure::usage(what, "give [admin] listen an address, or leave --tap out"));
    }
    config.admin.tap |= arguments.tap;
    let file = arguments.outbox.is_none().then(|| arguments.file.config.clone());
    let options = RunOptions {
        owner: arguments.name,
        standby: !arguments.no_standby,
        accept_permissions: arguments.accept_permissions,
        keep_history: !arguments.no_history,
        source_lines: arguments.source_lines,
        file,
    };
    let ending = block_on(async { Ok(app::run(config, options).await?) })?;
    Ok(match ending {
        Ending::Drained => Exit::Done,
        Ending::Interrupted => Exit::Interrupted,
        Ending::Terminated => Exit::Terminated,
    })
}

fn load(arguments: &Arguments) -> Result<Config, Failure> {
    let (Some(outbox), Some(to)) = (&arguments.outbox, &arguments.to) else {
        return arguments.file.load();
    };
    let config = config::from_flags(outbox, arguments.table.as_deref(), to, arguments.start.as_deref())?;
    warn(&config);
    Ok(config)
}

fn host_name() -> String {
    let read = |path| std::fs::read_to_string(path).ok();
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    name.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).unwrap_or_else(|| "relay".to_owned())
}
