//! Runs a plugin natively over golden cases.

use std::fmt;
use std::path::Path;

use relay_plugin_cases::{Case, Change, Content, EventRow, ExpectedMessage, Outcome, Place, Suite, compared};

use super::Harness;
use crate::bindings::relay::plugin::types;
use crate::event::Beside;
use crate::verdict::lower;
use crate::{Event, Fault, Plugin, Verdict, clock};

/// Golden cases that did not come out as they should. It shows itself whole when a test unwraps it.
pub struct Failures(Vec<String>);

/// Runs the plugin natively over the golden cases in `path`, a file or a folder, and returns how many there were.
/// `cargo test` starts tests in the folder of the crate, so that `"cases"` is the folder beside its `src`.
///
/// Each case runs twice, on a fresh plugin and again behind all the others of its file: the same event must get
/// the same answer. A case whose outcome is not written down yet fails; `relay plugin test --update` writes it.
///
/// # Errors
/// Every case that came out otherwise, with what differs.
pub fn golden_cases<P: Plugin>(path: impl AsRef<Path>) -> Result<usize, Failures> {
    let suites = Suite::load(path.as_ref()).map_err(|error| Failures(vec![error.to_string()]))?;
    let suites = suites.into_iter().map(Suite::of_plugin).collect::<Result<Vec<_>, _>>();
    let suites = suites.map_err(|error| Failures(vec![error.to_string()]))?;
    let mut failures = Vec::new();
    for suite in &suites {
        run::<P>(suite, &mut failures);
    }
    if failures.is_empty() {
        Ok(suites.iter().map(|it| it.cases.len()).sum())
    } else {
        Err(Failures(failures))
    }
}

fn run<P: Plugin>(suite: &Suite, failures: &mut Vec<String>) {
    let config = suite.config.to_string();
    let mut shared = match Harness::<P>::new(&config) {
        Ok(plugin) => plugin,
        Err(problems) => {
            let listed = problems.iter().map(|it| format!("\n  config{}: {}", it.path(), it.message()));
            failures.push(format!(
                "{}: its configuration is refused{}",
                suite.file,
                listed.collect::<String>()
            ));
            return;
        }
    };
    shared = with_tables(shared, suite);
    for case in &suite.cases {
        let Ok(fresh) = Harness::<P>::new(&config) else { continue };
        let mut fresh = with_tables(fresh, suite);
        let found = answer(&mut fresh, case);
        let again = answer(&mut shared, case);
        let name = format!("{}: {}", suite.file, case.name);
        match &case.expected {
            None => failures.push(format!(
                "{name}: nothing is written down yet; it came out as\n{}",
                listed(&found, case)
            )),
            Some(expected) if *expected != found => {
                failures.push(format!(
                    "{name}: expected (-) and found (+)\n{}",
                    differing(expected, &found, case)
                ));
            }
            Some(_) if found != again => failures.push(format!(
                "{name}: the answer depends on earlier events: alone (-) and behind them (+)\n{}",
                differing(&found, &again, case)
            )),
            Some(_) => {}
        }
    }
}

fn with_tables<P: Plugin>(plugin: Harness<P>, suite: &Suite) -> Harness<P> {
    suite.lookups.iter().fold(plugin, |plugin, (name, rows)| {
        plugin.table(name, rows.iter().map(|(key, value)| (key.as_str(), value.clone())))
    })
}

fn answer<P: Plugin>(plugin: &mut Harness<P>, case: &Case) -> Outcome {
    let answer = clock::at(case.now, || plugin.run(&event(&case.event)));
    outcome(answer).normal(&case.event)
}

fn listed(outcome: &Outcome, case: &Case) -> String {
    outcome.lines(&case.event).iter().map(|line| format!("  {line}\n")).collect()
}

fn differing(before: &Outcome, after: &Outcome, case: &Case) -> String {
    let line = |change| match change {
        Change::Same(line) => format!("    {line}\n"),
        Change::Removed(line) => format!("  - {line}\n"),
        Change::Added(line) => format!("  + {line}\n"),
    };
    compared(before, after, &case.event).into_iter().map(line).collect()
}

fn event(row: &EventRow) -> Event {
    let beside = Beside {
        source: row.source.clone(),
        headers: row.headers.clone(),
        attributes: row.attributes.clone(),
    };
    let row = types::Event {
        id: row.id.clone(),
        sequence: row.sequence,
        aggregate_type: row.aggregate_type.clone(),
        aggregate_id: row.aggregate_id.clone(),
        event_type: row.event_type.clone(),
        content_type: row.content_type.clone(),
        payload: row.payload.clone(),
        occurred_at: row.occurred_at,
        attempt: row.attempt,
    };
    Event::whole(row, beside)
}

fn outcome(answer: Result<Verdict, Fault>) -> Outcome {
    match lower(answer) {
        types::Verdict::Publish(messages) => Outcome::Messages(messages.into_iter().map(message).collect()),
        types::Verdict::Discard(reason) => Outcome::Discard(reason),
        types::Verdict::Retry(it) => Outcome::Retry { reason: it.reason, after_ms: it.after_ms },
        types::Verdict::Reject(it) => Outcome::Reject { code: it.code, reason: it.reason },
        types::Verdict::Halt(reason) => Outcome::Halt(reason),
    }
}

fn message(it: types::Message) -> ExpectedMessage {
    let content = |content| match content {
        types::Content::Unchanged => Content::Unchanged,
        types::Content::Absent => Content::Absent,
        types::Content::Bytes(bytes) => Content::Bytes(bytes),
    };
    let to = match it.to {
        None => Place::Next,
        Some(types::Target::Kafka(to)) => {
            Place::Kafka { topic: to.topic, partition: to.partition, timestamp: to.timestamp }
        }
        Some(types::Target::Nats(to)) => Place::Nats(to.subject),
        Some(types::Target::Http(to)) => Place::Http { path: to.path, method: to.method, auth: to.auth },
        Some(types::Target::Other(to)) => Place::Other { kind: to.kind, address: to.address },
    };
    ExpectedMessage {
        slot: it.slot,
        sink: it.sink,
        to,
        key: content(it.key),
        body: content(it.body),
        event_headers: it.inherit_headers,
        headers: it.headers,
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|failure| write!(f, "\n{failure}"))
    }
}

/// As [`Display`](fmt::Display): what a test that unwraps it prints.
impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failures {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::prelude::*;

    /// Sends orders on, drops the rest; with `count`, it wrongly remembers how many it saw.
    struct Sample {
        count: Option<u32>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        counts: bool,
    }

    impl Plugin for Sample {
        type Config = Config;

        fn new(config: Config) -> Result<Self, Problem> {
            Ok(Self { count: config.counts.then_some(0) })
        }

        fn transform(&mut self, event: &Event) -> Result<Verdict, Fault> {
            if event.aggregate_type() != "order" {
                return Ok(discard("no order"));
            }
            let message = Message::kafka("orders").header("at", clock::now().to_string());
            Ok(match &mut self.count {
                Some(count) => {
                    *count += 1;
                    message.header("count", count.to_string()).into()
                }
                None => message.into(),
            })
        }
    }

    const CASES: &str = r#"
        [[case]]
        name = "an order"
        now = 7
        event = { aggregate_type = "order", aggregate_id = "1", type = "Placed", payload = "{}" }
        message = [{ kafka = "orders", headers = { at = "7" } }]
        [[case]]
        name = "no order"
        event = { aggregate_type = "user", aggregate_id = "1", type = "Created" }
        discard = "no order"
    "#;

    fn run_over(text: &str) -> Result<usize, Failures> {
        let folder = std::env::temp_dir().join(format!("golden-{}-{:p}", std::process::id(), text));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.toml"), text).unwrap();
        let result = golden_cases::<Sample>(&folder);
        fs::remove_dir_all(&folder).unwrap();
        result
    }

    #[test]
    fn cases_that_come_out_as_written_are_counted() {
        assert_eq!(run_over(CASES).unwrap(), 2);
    }

    #[test]
    fn what_differs_is_shown() {
        let shown =
            run_over(&CASES.replace("kafka = \"orders\"", "kafka = \"order\"")).unwrap_err().to_string();
        assert!(shown.contains("- message to kafka order\n  + message to kafka orders"), "{shown}");
        let shown = run_over(&CASES.replace("discard = \"no order\"", "")).unwrap_err().to_string();
        assert!(shown.contains("nothing is written down yet; it came out as\n  discard"), "{shown}");
    }

    #[test]
    fn a_plugin_that_remembers_is_found_out() {
        let twice = CASES.replace("at = \"7\"", "at = \"7\", count = \"1\"");
        let twice = format!(
            "config = {{ counts = true }}\n{twice}{}",
            twice
                .replace("an order", "another")
                .replace("\"no order\"\n        event", "\"neither\"\n        event")
        );
        let shown = run_over(&twice).unwrap_err().to_string();
        assert!(shown.contains("another: the answer depends on earlier events"), "{shown}");
    }

    #[test]
    fn a_configuration_that_is_refused_is_named() {
        let shown = run_over(&format!("config = {{ topik = 1 }}\n{CASES}")).unwrap_err().to_string();
        assert!(shown.contains("config/topik: unknown field `topik`"), "{shown}");
    }
}
