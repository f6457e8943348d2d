//! The text of a `relay.toml`, as an operator would write it.

use std::fmt::Write as _;
use std::path::Path;

/// The name of the pipeline in these settings.
pub const PIPELINE: &str = "orders";

/// How many events one lane may have unsettled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The relay's own limit.
    Standard,
    /// A batch comes in while fewer than `events` are unsettled, so at most `events + batch` are.
    Events {
        /// Unsettled events at which the lane takes in no more.
        events: usize,
        /// Events of one read.
        batch: usize,
    },
}

/// Where the router sends each event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Destinations<'a> {
    /// Brokers and topic.
    pub kafka: Option<(&'a str, &'a str)>,
    /// URL and subject.
    pub nats: Option<(&'a str, &'a str)>,
    /// URL and path.
    pub http: Option<(&'a str, &'a str)>,
}

/// Settings that take all events of the outbox at `url` (`postgres://…`, or the path of an SQLite file) through
/// the plugin `router` to these destinations.
#[must_use]
pub fn settings(url: &str, router: &Path, to: Destinations<'_>, window: Window) -> String {
    let mut text = source(url);
    let mut sends = Vec::new();
    let mut grants = Vec::new();
    let mut sinks = Vec::new();
    if let Some((brokers, topic)) = to.kafka {
        let _ = writeln!(text, "[sink.events]\ntype = \"kafka\"\nbrokers = [\"{brokers}\"]\n");
        sends.push(format!("{{ kafka = \"{topic}\" }}"));
        grants.push(format!("events = [\"{topic}\"]"));
        sinks.push("\"events\"");
    }
    if let Some((server, subject)) = to.nats {
        let _ = writeln!(text, "[sink.tell]\ntype = \"nats\"\nservers = [\"{server}\"]\n");
        sends.push(format!("{{ nats = \"{subject}\" }}"));
        grants.push(format!("tell = [\"{subject}\"]"));
        sinks.push("\"tell\"");
    }
    if let Some((url, path)) = to.http {
        let _ = writeln!(text, "[sink.billing]\ntype = \"http\"\nurl = \"{url}\"\n");
        sends.push(format!("{{ http = \"{path}\" }}"));
        grants.push(format!("billing = [\"{path}\"]"));
        sinks.push("\"billing\"");
    }
    let _ = writeln!(
        text,
        "[plugin.router]\ncomponent = \"{router}\"\nconfig = {{ rules = [{{ then = {{ send = [{sends}] }} }}] }}\n\
         grant = {{ {grants} }}\n\n\
         [pipeline.{PIPELINE}]\nsource = \"shop\"\nplugins = [\"router\"]\nsinks = [{sinks}]",
        router = router.display(),
        sends = sends.join(", "),
        grants = grants.join(", "),
        sinks = sinks.join(", "),
    );
    if let Window::Events { events, batch } = window {
        let _ = writeln!(text, "window = {{ events = {events} }}\nbatch = {{ events = {batch} }}");
    }
    // No fixed port: relays of several tests run side by side.
    text.push_str("\n[admin]\nlisten = \"off\"\n");
    text
}

fn source(url: &str) -> String {
    let place = if url.contains("://") {
        format!("type = \"postgres\"\nurl = \"{url}\"\ntable = \"public.outbox\"")
    } else {
        format!("type = \"sqlite\"\npath = \"{url}\"\ntable = \"outbox\"")
    };
    format!("[source.shop]\n{place}\nstart = \"beginning\"\n\n")
}
