//! The running relay: a process of its own, whose log and whose messages are read.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::unusable;
use crate::app::AppError;

/// How long the relay may take to settle what is in flight when it is stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// The target of the lines that plugins write.
const GUEST: &str = "relay::plugin::guest";

/// What the running relay does, as its log and its messages show it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A new build of a plugin is loaded, and lanes get it.
    Loaded { plugin: String, digest: String },
    /// A lane reads the outbox.
    Reading,
    /// A lane took new builds: each plugin's name and the build's digest. It may be told before they are said to be
    /// loaded: lanes get them first.
    Taken(Vec<(String, String)>),
    /// A new build was refused.
    Refused { plugin: String, words: String },
    /// A message left, for the event of this id.
    Message { event: String },
    /// An event got no answer, because of what `words` say; it is a dead letter now, or tried again.
    Unanswered { event: String, words: String, is_dead: bool },
    /// A line that a person should see.
    Line { level: String, who: String, words: String },
    /// The relay ended.
    Ended,
}

pub(super) struct RelayProcess {
    child: Child,
    pub(super) seen: UnboundedReceiver<Seen>,
    _readers: JoinSet<()>,
}

impl RelayProcess {
    /// Starts it with `config`, in the process group `group`.
    pub(super) fn start(config: &Path, group: i32) -> Result<Self, AppError> {
        let process = |error: std::io::Error| unusable("the relay's process", &error);
        let mut child = Command::new(std::env::current_exe().map_err(process)?)
            .args([
                "run",
                "--accept-permissions",
                "--no-history",
                "--source-lines",
                "--log-format",
                "json",
                "--log",
                "info",
                "--config",
            ])
            .arg(config)
            .process_group(group)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(process)?;
        let (sender, seen) = unbounded_channel();
        let mut readers = JoinSet::new();
        if let (Some(output), Some(log)) = (child.stdout.take(), child.stderr.take()) {
            readers.spawn(read(output, message, sender.clone(), false));
            readers.spawn(read(log, line, sender, true));
        }
        Ok(Self { child, seen, _readers: readers })
    }

    /// SIGTERM, and waits for its end; after a while it is killed.
    pub(super) async fn stop(mut self) {
        if let Some(id) = self.child.id() {
            let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().await;
            if asked.is_ok_and(|it| it.success()) {
                // What did not end by then ends when it is dropped.
                let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
            }
        }
    }
}

/// What is seen next of the relay; never where there is none yet.
pub(super) async fn next_of(relay: &mut Option<RelayProcess>) -> Option<Seen> {
    match relay {
        Some(relay) => relay.seen.recv().await,
        None => std::future::pending().await,
    }
}

async fn read(
    pipe: impl AsyncRead + Unpin,
    understand: fn(&Value) -> Option<What>,
    seen: UnboundedSender<Seen>,
    says_end: bool,
) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        let at = Instant::now();
        let what = match serde_json::from_str(&text) {
            Ok(value) => understand(&value),
            // What is no log line is the screen of a failure.
            Err(_) if says_end => {
                Some(What::Line { level: "error".into(), who: "relay".into(), words: text })
            }
            Err(_) => None,
        };
        // Nobody listens any more when this command ends.
        let _ = what.map(|what| seen.send(Seen { at, what }));
    }
    if says_end {
        let _ = seen.send(Seen { at: Instant::now(), what: What::Ended });
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// A line of a stdout sink.
fn message(value: &Value) -> Option<What> {
    value["id"].as_str().map(|id| What::Message { event: id.to_owned() })
}

/// A line of the log.
fn line(value: &Value) -> Option<What> {
    let words = text(value, "message");
    let plugin = text(value, "plugin");
    let level = text(value, "level").to_lowercase();
    if words.starts_with("plugin swapped: batches") {
        return Some(What::Loaded { plugin, digest: text(value, "to") });
    }
    if let Some(changes) = words.strip_prefix("plugin swapped: ") {
        // `name: old → new`, of several plugins with commas between.
        let change = |it: &str| {
            let (name, digests) = it.split_once(": ")?;
            Some((name.to_owned(), digests.rsplit_once(" → ")?.1.to_owned()))
        };
        return Some(What::Taken(changes.split(", ").filter_map(change).collect()));
    }
    if words == "reading" {
        return Some(What::Reading);
    }
    if words.starts_with("a new build is refused") {
        return Some(What::Refused { plugin, words });
    }
    if value["target"] == GUEST {
        // The event that it ends tells of it, with its place.
        if words.starts_with("panicked at ") {
            return None;
        }
        return Some(What::Line { level, who: plugin, words });
    }
    if let Some((words, is_dead)) = unanswered(&words) {
        return Some(What::Unanswered { event: text(value, "event"), words: words.to_owned(), is_dead });
    }
    if let Some((what, _last)) = words.split_once("; the last: ").filter(|(it, _)| it.contains("P115")) {
        // The last one was told already.
        return Some(What::Line {
            level,
            who: "relay".to_owned(),
            words: format!("{what}; the build before goes on"),
        });
    }
    // The event that a fault stays with tells of it.
    let told_by_it = ["a plugin faulted", "waits behind"].iter().any(|it| words.starts_with(it));
    let shown = matches!(level.as_str(), "warn" | "error") && !told_by_it;
    shown.then(|| What::Line { level, who: "relay".to_owned(), words })
}

/// Why an event got no answer, and whether it is a dead letter.
fn unanswered(words: &str) -> Option<(&str, bool)> {
    if let Some(why) = words.strip_prefix("dead letter: ") {
        return Some((why, true));
    }
    let (_after, why) = words.strip_prefix("tried again in ")?.split_once(": ")?;
    Some((why, false))
}

/// Hands what plugins log in this process, while recorded events go through them, to the receiver too. A log that is
/// there already goes on as it is.
pub(super) fn capture() -> UnboundedReceiver<Seen> {
    let (sender, captured) = unbounded_channel();
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || Captured { sender: sender.clone(), line: Vec::new() });
    // Failing means that somebody logs already.
    let _ = tracing::subscriber::set_global_default(lines.finish());
    captured
}

/// One line of the log of this process.
struct Captured {
    sender: UnboundedSender<Seen>,
    line: Vec<u8>,
}

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        let value = serde_json::from_slice::<Value>(&self.line).unwrap_or_default();
        if let Some(what) = line(&value).filter(|_| value["target"] == GUEST) {
            // Nobody listens any more when the command ends.
            let _ = self.sender.send(Seen { at: Instant::now(), what });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_of_the_log_are_understood() {
        let swapped = json!({
            "level": "INFO", "message": "plugin swapped: batches that start from now on run the new build",
            "plugin": "hello", "from": "41d33f", "to": "88fe10",
        });
        assert!(
            matches!(line(&swapped), Some(What::Loaded { plugin, digest }) if plugin == "hello" && digest == "88fe10")
        );
        let taken = json!({
            "level": "INFO", "message": "plugin swapped: hello: 41d33f → 88fe10, b: 1 → 2", "lane": "a → b",
        });
        let pair = |name: &str, digest: &str| (name.to_owned(), digest.to_owned());
        let expected = [pair("hello", "88fe10"), pair("b", "2")];
        assert!(matches!(line(&taken), Some(What::Taken(all)) if all == expected));
        let ended = |message: &str| match line(&json!({ "level": "WARN", "message": message, "event": "e1" }))
        {
            Some(What::Unanswered { event, words, is_dead }) => (event, words, is_dead),
            other => panic!("{other:?}"),
        };
        let seen = |is_dead| ("e1".to_owned(), "P120: a: b".to_owned(), is_dead);
        assert_eq!(ended("dead letter: P120: a: b"), seen(true));
        assert_eq!(ended("tried again in 1.5s: P120: a: b"), seen(false));
        let guest =
            json!({ "level": "INFO", "target": "relay::plugin::guest", "plugin": "hello", "message": "hi" });
        assert!(matches!(line(&guest), Some(What::Line { who, .. }) if who == "hello"));
        assert!(matches!(line(&json!({ "level": "INFO", "message": "reading" })), Some(What::Reading)));
        assert!(line(&json!({ "level": "INFO", "message": "stopping" })).is_none());
        let output = json!({ "id": "e1", "body": {} });
        assert!(matches!(message(&output), Some(What::Message { event }) if event == "e1"));
    }
}
