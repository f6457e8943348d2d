//! Settings from the flags of `relay run`, without a file.
//!
//! The flags are written out as a configuration and read by the same code, so that defaults and checks are
//! the file's own.

use super::interpolation::escape;
use super::{Config, Diagnostic, codes, parse};

/// Name of the source and the pipeline that flags make; part of idempotency keys, so it never changes.
const NAME: &str = "outbox";

/// Settings of one pipeline from one outbox to one sink, without plugins.
///
/// `outbox` is `postgres://…` or `sqlite:PATH`; `to` is `kafka://host:port[,host:port]/TOPIC`,
/// `nats://host:port/SUBJECT`, `http(s)://host[:port]/PATH` or `stdout:`, where topic, subject and path are
/// routes, and the sink's usual one when they are left out.
///
/// # Errors
/// Everything that is wrong with the flags; a diagnostic's origin is the flag's name.
pub fn from_flags(
    outbox: &str,
    table: Option<&str>,
    to: &str,
    start: Option<&str>,
) -> Result<Config, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let source = source_of(outbox).unwrap_or_else(|| {
        let allowed = "allowed: postgres://user:password@host:port/database, sqlite:PATH";
        wrong.push(unreadable("--outbox", "this is not the address of an outbox", allowed));
        Vec::new()
    });
    let target = target_of(to).unwrap_or_else(|| {
        let allowed = "allowed: kafka://host:port/TOPIC, nats://host:port/SUBJECT, http://host:port/PATH, \
                       https://host:port/PATH, stdout:";
        wrong.push(unreadable("--to", "this is not the address of a sink", allowed));
        Target::default()
    });
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut text = format!("[source.{NAME}]\n");
    let optional = [("table", table), ("start", start)];
    let given = optional.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned())));
    for (key, value) in source.into_iter().chain(given) {
        push(&mut text, key, quoted(&value));
    }
    text.push_str(&format!("[sink.{}]\n", target.kind));
    push(&mut text, "type", quoted(target.kind));
    for (key, value) in target.keys {
        push(&mut text, key, value);
    }
    text.push_str(&format!("[pipeline.{NAME}]\nsource = \"{NAME}\"\nsinks = [\"{}\"]\n", target.kind));
    if let Some(route) = target.route {
        text.push_str(&format!("[pipeline.{NAME}.route]\n"));
        push(&mut text, target.kind, quoted(&route));
    }
    parse(&text, "", &|_| None).map_err(|found| found.into_iter().map(onto_flag).collect())
}

/// A sink's table and the route to it.
#[derive(Default)]
struct Target {
    kind: &'static str,
    keys: Vec<(&'static str, String)>,
    route: Option<String>,
}

fn source_of(outbox: &str) -> Option<Vec<(&'static str, String)>> {
    if outbox.starts_with("postgres://") || outbox.starts_with("postgresql://") {
        return Some(vec![("type", "postgres".to_owned()), ("url", outbox.to_owned())]);
    }
    let path = outbox.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty()).then(|| vec![("type", "sqlite".to_owned()), ("path", path.to_owned())])
}

fn target_of(to: &str) -> Option<Target> {
    if to == "stdout:" {
        return Some(Target { kind: "stdout", ..Target::default() });
    }
    let (scheme, rest) = to.split_once("://")?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let route = Some(path.trim_start_matches('/').to_owned()).filter(|it| !it.is_empty());
    match scheme {
        _ if authority.is_empty() => None,
        "kafka" => {
            let brokers: Vec<String> = authority.split(',').map(quoted).collect();
            let keys = vec![("brokers", format!("[{}]", brokers.join(", ")))];
            Some(Target { kind: "kafka", keys, route })
        }
        "nats" | "tls" => {
            let servers = format!("[{}]", quoted(&format!("{scheme}://{authority}")));
            Some(Target { kind: "nats", keys: vec![("servers", servers)], route })
        }
        // A path without placeholders is the sink's own place; one with them is a route below its host.
        "http" | "https" if path.contains('{') => {
            let url = quoted(&format!("{scheme}://{authority}"));
            Some(Target { kind: "http", keys: vec![("url", url)], route: Some(path.to_owned()) })
        }
        "http" | "https" => Some(Target { kind: "http", keys: vec![("url", quoted(to))], route: None }),
        _ => None,
    }
}

fn push(text: &mut String, key: &str, value: String) {
    text.push_str(&format!("{key} = {value}\n"));
}

fn quoted(value: &str) -> String {
    toml::Value::String(escape(value)).to_string()
}

/// The same mistake, told of the flag that it came from: the text that was read is nobody's file.
fn onto_flag(found: Diagnostic) -> Diagnostic {
    let flag = match found.path.as_str() {
        "source.outbox.table" => "--table",
        "source.outbox" if found.code == codes::NO_START => "--start",
        "source.outbox.start" => "--start",
        path if path.starts_with("source") => "--outbox",
        _ => "--to",
    };
    let allowed = found
        .allowed
        .replace("start = \"now\"", "--start now")
        .replace("start = \"beginning\"", "--start beginning");
    Diagnostic { place: None, origin: flag.to_owned(), path: String::new(), allowed, ..found }
}

fn unreadable(flag: &str, message: &str, allowed: &str) -> Diagnostic {
    Diagnostic::without_line(codes::FLAG_ADDRESS, flag, message.to_owned(), allowed)
}
