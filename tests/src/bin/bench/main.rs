//! Drains a backlog through the relay and through bare clients, measures latency, starts and swaps: see `relay/docs/benchmark.md`.
//!
//! `cargo run --release -p relay-tests --bin bench -- --events 1000000 --sink kafka`

mod arguments;
mod bare;
mod drain;
mod latency;
mod reload;
mod report;
mod site;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use report::Report;
use site::Site;

/// What went wrong, with its causes.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(measure(&arguments)));
    match outcome {
        Ok(report) if arguments.json => println!("{}", report.json()),
        Ok(report) => print!("{report}"),
        Err(error) => {
            eprintln!("{}", with_causes(error.as_ref()));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn measure(arguments: &Arguments) -> Outcome<Report> {
    let mut report = Report::default();
    if arguments.reload {
        for round in 1..=arguments.rounds {
            report.moments.extend(reload::moments(round).await?);
        }
        return Ok(report);
    }
    let site = Site::open(arguments).await?;
    if arguments.latency {
        for round in 1..=arguments.rounds {
            report.latency.push(latency::bare(&site, arguments, round).await?);
            report.latency.push(latency::relay(&site, arguments, round).await?);
        }
        return Ok(report);
    }
    site.load(arguments.events).await?;
    // Bare and whole by turns, so that a machine that slows down in between slows both.
    for round in 1..=arguments.rounds {
        report.stages.push(bare::select(&site, arguments.events, round).await?);
        for sink in arguments.sinks() {
            report.stages.push(bare::sink(&site, sink, arguments.events, round).await?);
            report.stages.push(drain::relay(&site, sink, arguments.events, round).await?);
        }
    }
    Ok(report)
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
