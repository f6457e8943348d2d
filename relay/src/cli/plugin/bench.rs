//! `relay plugin bench`

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::place::SubjectArguments;
use crate::cli::table::{counted, grouped};
use crate::cli::{Exit, Failure};
use crate::plugin::bench::{self, BATCH, Figures};

const EXAMPLES: &str = "\
Examples:
  relay plugin bench                           build the crate in this folder and measure it over cases/*.toml
  relay plugin bench hello.wasm --events 1000000
  relay plugin bench --json

The events of the golden cases run in turn, in batches, as in a lane. Measure with the relay that you deploy.";

/// Measures what a plugin costs over its golden cases: time per event, memory and output against its limits.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// How many events to run.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    events: u32,
    /// The figures as JSON; times in nanoseconds.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let subject = arguments.subject.read()?;
    let figures = bench::bench(&subject.name, &subject.bytes, &subject.suites, arguments.events as usize)?;
    print!("{}", if arguments.json { json_screen(&figures) } else { screen(&figures) });
    if cfg!(debug_assertions) {
        eprintln!("note: this relay is a development build; a release build is faster");
    }
    Ok(Exit::Done)
}

pub(super) fn screen(all: &[Figures]) -> String {
    let mut text = String::new();
    for it in all {
        let mut line = |title: &str, words: &str| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{title:<11} {words}");
        };
        let cases = counted(it.cases as u64, "case");
        line("cases", &format!("{}, {cases} in turn", it.file));
        line("load", &format!("{} to compile, link and configure", time(it.load)));
        line("instance", &format!("{} each", time(it.instance)));
        line(
            "per event",
            &format!(
                "{} at the median, {} in the slowest hundredth of batches; {} in batches of {BATCH}",
                time(it.median),
                time(it.slowest_hundredth),
                counted(it.events as u64, "event")
            ),
        );
        let (case, took) = &it.slowest;
        line("slowest", &format!("{case}: {} alone, of {} allowed", time(*took), time(it.limits.time)));
        let grown = it.memory_after.saturating_sub(it.memory_before);
        let growth = if grown == 0 { "did not grow".to_owned() } else { format!("grew by {}", kib(grown)) };
        line("memory", &format!("{} of {}; {growth}", kib(it.memory_after), kib(it.limits.memory)));
        line(
            "output",
            &format!(
                "at most {} of {} and {} bytes of {}, beside what stays as it came",
                counted(it.messages as u64, "message"),
                it.limits.messages,
                grouped(it.output as u64),
                grouped(it.limits.output as u64)
            ),
        );
    }
    text
}

fn kib(bytes: usize) -> String {
    format!("{} KiB", grouped(bytes.div_ceil(1024) as u64))
}

fn time(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    if micros < 1_000.0 { format!("{micros:.1} µs") } else { format!("{:.1} ms", micros / 1_000.0) }
}

pub(super) fn json_screen(all: &[Figures]) -> String {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let one = |it: &Figures| {
        json!({
            "file": it.file, "cases": it.cases, "events": it.events, "batch": BATCH,
            "load": nanos(it.load), "instance": nanos(it.instance),
            "median": nanos(it.median), "slowest_hundredth": nanos(it.slowest_hundredth),
            "slowest_case": it.slowest.0, "slowest_case_time": nanos(it.slowest.1),
            "memory": it.memory_after, "memory_growth": it.memory_after.saturating_sub(it.memory_before),
            "messages": it.messages, "output": it.output,
            "limits": {
                "time": nanos(it.limits.time), "memory": it.limits.memory,
                "messages": it.limits.messages, "output": it.limits.output,
            },
        })
    };
    format!("{:#}\n", all.iter().map(one).collect::<serde_json::Value>())
}
