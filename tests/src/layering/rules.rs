//! Which part of the relay may use which, as the architecture says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::references::Reference;

/// Modules that hold a port, and whose folders are its adapters.
const PORTS: &[&str] = &["source", "plugin", "sink", "store"];
/// Single files in a port's folder that are the port itself.
const PORT_FILES: &[&str] = &["port", "columns", "permissions", "record", "tables"];
/// Crates that reach outside the process: adapters hide them from everything between the ports.
const DRIVERS: &[&str] = &["sqlx", "rdkafka", "async_nats", "reqwest", "wasmtime", "libsqlite3_sys"];

/// A part of the relay that the rules speak of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A module of its own: `pipeline`, `config`, `app`, …; a port's is the port.
    Module(String),
    /// What the adapters of a port share: the single files beside `port.rs`.
    Shared(String),
    /// One adapter of a port, a folder: `sink`, `kafka`.
    Adapter(String, String),
    /// `main.rs`.
    Program,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(name) => write!(f, "{name}"),
            Self::Shared(port) => write!(f, "what adapters of {port} share"),
            Self::Adapter(port, name) => write!(f, "{port}/{name}"),
            Self::Program => write!(f, "main"),
        }
    }
}

/// The modules that exist, so that a function of a port is not taken for an adapter.
#[derive(Debug, Default)]
pub struct Modules {
    /// Every module.
    pub all: BTreeSet<Vec<String>>,
    /// Those that are folders.
    pub folders: BTreeSet<Vec<String>>,
    /// What a port's table of contents passes on from its adapters: `["store", "MemoryStore"]` and where that
    /// is. Without it, every adapter could be named through its port.
    pub passed_on: BTreeMap<Vec<String>, Vec<String>>,
}

/// The part that a module or an item belongs to.
#[must_use]
pub fn part_of(path: &[String], modules: &Modules) -> Option<Part> {
    let first = path.first()?;
    let Some(two) = path.get(..2).filter(|_| is_port(first)) else {
        return Some(Part::Module(first.clone()));
    };
    if let Some(target) = modules.passed_on.get(two) {
        return part_of(target, modules);
    }
    let second = &two[1];
    Some(if modules.folders.contains(two) {
        Part::Adapter(first.clone(), second.clone())
    } else if modules.all.contains(two) && !PORT_FILES.contains(&second.as_str()) {
        Part::Shared(first.clone())
    } else {
        Part::Module(first.clone())
    })
}

fn is_port(module: &str) -> bool {
    PORTS.contains(&module)
}

/// Why `from` may not name `reference`; `None` if it may.
#[must_use]
pub fn objection(from: &Part, reference: &Reference, modules: &Modules) -> Option<String> {
    if !reference.own {
        return driver_objection(from, reference.segments.first()?);
    }
    let to = part_of(&reference.segments, modules)?;
    if *from == to || may_use(from, &to, reference) || passes_on(from, &to, reference, modules) {
        return None;
    }
    Some(format!("{from} may not use {to}: {}", reason(from)))
}

/// A port's table of contents may give an adapter's item a shorter name.
fn passes_on(from: &Part, to: &Part, reference: &Reference, modules: &Modules) -> bool {
    let (Part::Module(port), Part::Adapter(of, _)) = (from, to) else { return false };
    port == of && modules.passed_on.values().any(|target| *target == reference.segments)
}

fn driver_objection(from: &Part, crate_name: &str) -> Option<String> {
    let Part::Module(module) = from else { return None };
    let behind_ports =
        is_port(module) || matches!(module.as_str(), "pipeline" | "config" | "admin" | "telemetry");
    (behind_ports && DRIVERS.contains(&crate_name)).then(|| {
        format!("{from} may not use the crate {crate_name}: only adapters reach outside the process")
    })
}

fn may_use(from: &Part, to: &Part, reference: &Reference) -> bool {
    let module = match from {
        Part::Program => return matches!(to, Part::Module(name) if name == "cli"),
        Part::Adapter(port, _) | Part::Shared(port) => return adapter_may_use(port, from, to),
        Part::Module(module) => module.as_str(),
    };
    match (module, to) {
        ("telemetry" | "explain" | "redaction", _) => false,
        (_, Part::Module(to)) if to == "telemetry" => true,
        ("pipeline", Part::Module(to)) => is_port(to),
        ("config", Part::Module(to)) => is_port(to) || to == "explain",
        ("config", Part::Adapter(..)) => names_settings(reference),
        ("admin", Part::Module(to)) => is_port(to) || matches!(to.as_str(), "pipeline" | "redaction"),
        ("app", Part::Module(to)) => to != "cli",
        ("app", Part::Adapter(..)) => true,
        ("cli", Part::Module(to)) => to != "pipeline",
        ("cli", Part::Adapter(port, adapter)) => {
            port == "plugin"
                && matches!(
                    adapter.as_str(),
                    "build" | "history" | "reload" | "inspect" | "golden" | "template" | "bench"
                )
        }
        _ => false,
    }
}

/// An adapter sees its own port and what the port's adapters share, which in turn knows none of them; the parts of
/// a plugin's life (host, build, reload) are one adapter in three.
fn adapter_may_use(port: &str, from: &Part, to: &Part) -> bool {
    match to {
        Part::Module(to) => to == port || to == "telemetry",
        Part::Shared(to) => to == port,
        Part::Adapter(to, _) => to == "plugin" && port == "plugin" && matches!(from, Part::Adapter(..)),
        Part::Program => false,
    }
}

/// `KafkaSinkConfig`, `PluginLimits`, or anything of an adapter's `config` module.
fn names_settings(reference: &Reference) -> bool {
    let last = reference.segments.last().map_or("", String::as_str);
    let is_settings = |name: &str| name.ends_with("Config") || name.ends_with("Limits");
    reference.segments.iter().any(|it| it == "config" || is_settings(it)) || last == "*"
}

fn reason(from: &Part) -> &'static str {
    match from {
        Part::Program => "main only starts the command line",
        Part::Adapter(..) | Part::Shared(_) => "an adapter knows its own port alone",
        Part::Module(name) => match name.as_str() {
            "pipeline" => {
                "the shell runs engines against ports and never names an adapter or the configuration"
            }
            "config" => "the configuration knows ports and the settings of adapters",
            "admin" => "the admin server reads through ports and the pipeline's handles",
            "cli" => "commands go through app and config",
            "app" => "app is below the command line",
            "telemetry" | "explain" | "redaction" => "it is at the bottom",
            _ => "a port knows only the engine's words",
        },
    }
}
