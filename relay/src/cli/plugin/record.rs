//! `relay plugin record`

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::IgnoredAny;

use super::cases::wrong;
use crate::app;
use crate::cli::config_file::ConfigFile;
use crate::cli::table::counted;
use crate::cli::{Exit, Failure, block_on};
use crate::plugin::build::CASES;
use crate::plugin::golden::{self, EventRow, Suite};
use crate::redaction::{HIDDEN, Redaction, Secrets};

const EXAMPLES: &str = "\
Examples:
  relay plugin record plugins/hello --config relay.toml --last 5
  relay plugin record plugins/hello --redact '$.customer.email' --redact-header authorization
  relay plugin record --out tests/orders.toml --source shop

What becomes of the events is not written: relay plugin test --update does that (relay test --update for a file that
names a pipeline). The file holds what the outbox holds, but for what --redact hides: read it before you share it.";

/// The file that events are written into, in the folder of a plugin's cases.
const RECORDED: &str = "recorded.toml";

/// Writes the newest events of an outbox into a file of golden cases.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// The folder of the plugin's crate.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
    /// The source whose outbox it is; need not be named where there is one.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How many of the newest events.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    last: u32,
    /// The file to write them into, behind what stands there [default: DIR/cases/recorded.toml].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Hide this place of payloads, /customer/email or $.customer.email, and its value wherever else it stands.
    #[arg(long, value_name = "PLACE")]
    redact: Vec<String>,
    /// Hide the value of this header.
    #[arg(long, value_name = "NAME")]
    redact_header: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let redaction = Redaction::new(&arguments.redact, &arguments.redact_header);
    let redaction =
        redaction.map_err(|wrong| Failure::usage(wrong, "relay plugin record --help shows examples"))?;
    let config = arguments.file.load()?;
    let (source, last) = (arguments.source.as_deref(), arguments.last as usize);
    let (source, events) = block_on(async { Ok(app::newest_events(&config, source, last).await?) })?;
    let read = events.len();
    let events: Vec<_> = events.into_iter().filter_map(|event| hide(event, &redaction)).collect();

    let folder = arguments.folder.strip_prefix(".").unwrap_or(&arguments.folder).join(CASES);
    let file = arguments.out.clone().unwrap_or_else(|| folder.join(RECORDED));
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => beginning(&source, &folder),
        Err(error) => return Err(unusable(&file, &error)),
    };
    let shown = file.display().to_string();
    let (text, count) = golden::recorded(&shown, &text, &events).map_err(wrong)?;
    if count > 0 {
        let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
        let made = parent.map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&file, text)).map_err(|error| unusable(&file, &error))?;
    }
    print!(
        "{}",
        screen(&Recorded { source: &source, file: &shown, count, read, hidden: read - events.len() })
    );
    Ok(Exit::Done)
}

/// What was done, in numbers.
struct Recorded<'a> {
    source: &'a str,
    file: &'a str,
    /// Events that were written.
    count: usize,
    /// Events that were read.
    read: usize,
    /// Events that could not be written without what is hidden.
    hidden: usize,
}

fn screen(recorded: &Recorded<'_>) -> String {
    let Recorded { source, file, count, read, hidden } = *recorded;
    let mut text = format!("recorded  {} of {source} in {file}\n", counted(count as u64, "event"));
    let there = read - hidden - count;
    if there > 0 {
        text.push_str(&format!("          {} there already\n", counted(there as u64, "event")));
    }
    if hidden > 0 {
        let events = counted(hidden as u64, "event");
        text.push_str(&format!(
            "          {events} left out: what is to be hidden can't be taken out of them\n"
        ));
    }
    if count > 0 {
        text.push_str("next      read it, then let relay plugin test --update write what becomes of them\n");
    }
    text
}

/// How a new file starts: with the configuration of the plugin's other cases, so that they run alike.
fn beginning(source: &str, folder: &Path) -> String {
    let suites = Suite::load(folder).unwrap_or_default();
    let config =
        suites.iter().find(|it| it.pipeline.is_none()).and_then(|it| toml::Value::try_from(&it.config).ok());
    let config = config.filter(|it| it.as_table().is_some_and(|it| !it.is_empty()));
    let config = config.map(|it| format!("config = {it}\n")).unwrap_or_default();
    format!("# Events of the outbox {source}, recorded by relay plugin record.\n{config}")
}

/// The event without what is hidden; `None` where that can't be taken out of it.
fn hide(mut event: EventRow, redaction: &Redaction) -> Option<EventRow> {
    if !redaction.is_active() {
        return Some(event);
    }
    let mut secrets = Secrets::of(redaction);
    secrets.learn(event.payload.as_deref());
    secrets.learn_headers(event.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
    if let Some(payload) = &event.payload {
        let clean = secrets.document(payload)?.into_owned().into_bytes();
        let is_json = |bytes: &[u8]| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        // A number that stands somewhere else, too, leaves no JSON behind.
        if is_json(payload) && !is_json(&clean) {
            return None;
        }
        event.payload = Some(clean);
    }
    for (name, value) in &mut event.headers {
        *value = if redaction.hides_header(name) {
            HIDDEN.as_bytes().to_vec()
        } else {
            secrets.text(std::str::from_utf8(value).ok()?).into_owned().into_bytes()
        };
    }
    let texts = [&mut event.id, &mut event.aggregate_type, &mut event.aggregate_id, &mut event.event_type];
    for text in texts.into_iter().chain(event.attributes.iter_mut().map(|(_, value)| value)) {
        *text = secrets.text(text).into_owned();
    }
    Some(event)
}

fn unusable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::coded(Exit::Failed, "P157", format!("{} can't be used: {error}", file.display()), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &str) -> EventRow {
        EventRow {
            id: "1".to_owned(),
            source: "shop".to_owned(),
            sequence: 1,
            aggregate_type: "user".to_owned(),
            aggregate_id: "ann@example".to_owned(),
            event_type: "Joined".to_owned(),
            content_type: None,
            payload: Some(payload.as_bytes().to_vec()),
            headers: vec![
                ("reply-to".to_owned(), b"ann@example".to_vec()),
                ("Token".to_owned(), b"hunter2".to_vec()),
            ],
            attributes: vec![("note".to_owned(), "by ann@example, hunter2".to_owned())],
            occurred_at: 1,
            attempt: 1,
        }
    }

    fn hidden(payload: &str) -> Option<EventRow> {
        let redaction = Redaction::new(&["/email".to_owned()], &["token".to_owned()]).unwrap();
        hide(event(payload), &redaction)
    }

    #[test]
    fn a_hidden_value_is_nowhere_in_what_is_recorded() {
        let shown = hidden("{\"email\": \"ann@example\", \"n\": 1.50}").unwrap();
        assert_eq!(shown.payload.as_deref(), Some(&b"{\"email\": \"[redacted]\", \"n\": 1.50}"[..]));
        assert_eq!(shown.aggregate_id, "[redacted]");
        let text = format!("{shown:?}");
        assert!(!text.contains("ann@example") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_event_that_cannot_be_cleaned_is_left_out() {
        assert_eq!(hidden("email=ann@example"), None);
        assert_eq!(hidden("{\"email\": 123456, \"again\": 123456}"), None);
    }

    #[test]
    fn the_screen_counts_what_was_written_and_what_was_not() {
        let recorded = Recorded { source: "shop", file: "cases/recorded.toml", count: 3, read: 6, hidden: 1 };
        insta::assert_snapshot!("record", screen(&recorded));
        let nothing = Recorded { count: 0, read: 5, hidden: 0, ..recorded };
        insta::assert_snapshot!("record_nothing", screen(&nothing));
    }
}
