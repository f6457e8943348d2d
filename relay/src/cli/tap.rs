//! `relay tap`

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use super::admin_server::AdminServer;
use super::style::Style;
use super::{Exit, Failure, block_on};
use crate::admin::tap::{Filter, Kind, Line, TapClient, TapError, TapRequest};

mod screen;
#[cfg(test)]
mod tests;

const EXAMPLES: &str = "\
Examples:
  relay tap                                        everything, until Ctrl-C
  relay tap --key order-17 --sink billing          one key, into one sink
  relay tap --plugin redact                        what one plugin sees and makes of it
  relay tap --show sent,answer --limit 20          what leaves, and how that ends
  relay tap --redact '$.customer.email' --json     one JSON object per line, a place hidden
  relay tap --admin 127.0.0.1:9464                 without a configuration at hand

The relay has to allow it: [admin] tap = true in its configuration, or relay run --tap. It shows payloads, to clients on
its own machine alone. Filters and --redact act inside of the relay. A terminal or a pipe that is slow holds up no
event: what it had no room for is counted.";

/// Shows events of a running relay as they pass: before and after each plugin, what is sent, and the answer.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    server: AdminServer,
    /// Of this key alone; may be given several times, as the other filters.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Of this type alone.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Vec<String>,
    /// This event alone, by its id.
    #[arg(long, value_name = "ID")]
    event: Vec<String>,
    /// What this plugin sees and makes of it alone; with --show, beside what that names.
    #[arg(long, value_name = "NAME")]
    plugin: Vec<String>,
    /// On the way to this sink alone.
    #[arg(long, value_name = "NAME")]
    sink: Vec<String>,
    /// Of this pipeline alone.
    #[arg(long, value_name = "NAME")]
    pipeline: Vec<String>,
    /// What is shown, with commas between.
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    show: Vec<Show>,
    /// Hide this place of payloads, /customer/email or $.customer.email, and its value wherever else it stands.
    #[arg(long, value_name = "PLACE")]
    redact: Vec<String>,
    /// Hide the value of this header.
    #[arg(long, value_name = "NAME")]
    redact_header: Vec<String>,
    /// Show at most so many bytes of a payload, a body or a value.
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    max_bytes: usize,
    /// End after so many records: the lines of --json.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// One JSON object per line, as the relay sends it; bytes that are not UTF-8 are in base64.
    #[arg(long)]
    json: bool,
}

/// What may be shown of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Show {
    /// As it came out of the outbox.
    Read,
    /// What a plugin saw, and what it made of it.
    Plugin,
    /// That it has no message for a sink, and why.
    NotSent,
    /// A message as it is handed to the sink.
    Sent,
    /// The sink's answer.
    Answer,
}

impl From<Show> for Kind {
    fn from(show: Show) -> Self {
        match show {
            Show::Read => Self::Read,
            Show::Plugin => Self::Plugin,
            Show::NotSent => Self::NotSent,
            Show::Sent => Self::Sent,
            Show::Answer => Self::Answer,
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let address = arguments.server.address()?;
    let json = arguments.json;
    let request = request(arguments);
    request.check().map_err(|wrong| Failure::usage(wrong, "relay tap --help shows examples"))?;
    block_on(async {
        tokio::select! {
            ended = follow(address, &request, json) => ended,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
        }
    })
}

async fn follow(address: SocketAddr, request: &TapRequest, json: bool) -> Result<Exit, Failure> {
    let mut client = TapClient::attach(address, request).await.map_err(failed)?;
    let style = Style::of_stdout();
    loop {
        let text = match client.next().await.map_err(failed)? {
            Line::Attached => {
                eprintln!("attached to the relay at {address}; Ctrl-C ends");
                continue;
            }
            Line::LimitReached => return Ok(Exit::Done),
            Line::Record(line, _) if json => format!("{line}\n"),
            Line::Record(_, record) => screen::lines(&record, style),
        };
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            // Whoever read it, head for one, has had enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
            Err(error) => return Err(Failure::setup(&error)),
        }
    }
}

fn request(arguments: Arguments) -> TapRequest {
    TapRequest {
        filter: Filter {
            pipelines: arguments.pipeline,
            sinks: arguments.sink,
            keys: arguments.key,
            types: arguments.kind,
            events: arguments.event,
            plugins: arguments.plugin,
            kinds: arguments.show.into_iter().map(Kind::from).collect(),
        },
        redact: arguments.redact,
        redact_headers: arguments.redact_header,
        max_bytes: arguments.max_bytes,
        limit: arguments.limit,
    }
}

fn failed(error: TapError) -> Failure {
    let code = match &error {
        TapError::Unreachable { .. } => "C046",
        TapError::Forbidden(_) => "C047",
        TapError::Gone(_) => "C048",
        TapError::Refused(_) => return Failure::not_found(error.to_string(), ""),
    };
    Failure::coded(Exit::Environment, code, error.to_string(), "").because(&error)
}
