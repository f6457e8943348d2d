//! WASI as plugins get it: present, so that components of any language load, and without any power.
//!
//! The runtimes of JavaScript, Python and others import WASI whether a plugin uses it or not. The relay links each
//! such import to one of these:
//!
//! | interface | what a plugin finds |
//! |---|---|
//! | `cli/environment` | no variables, no arguments, no folder |
//! | `cli/stdout`, `cli/stderr` | lines for the relay's log, under its limits |
//! | `cli/stdin`, `cli/terminal-*` | nothing to read, no terminal |
//! | `clocks/*` | the batch's frozen time |
//! | `random/*` | always the same numbers while it starts, for its runtime's seeds; from the first event on a fault |
//! | `filesystem/preopens` | no folder |
//! | any other function | [`Powerless`]: the call is a fault that names the function |
//!
//! None of them reaches outside of the instance, so none is a permission; `relay plugin inspect` lists them.

mod answers;
mod printed;
mod seed;
#[cfg(test)]
mod tests;

use wasmtime::component::types::{Component as ComponentType, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime::{Engine, Result, StoreContextMut};

use super::state::GuestState;

pub(super) use printed::Printed;
pub(super) use seed::Seed;

/// The packages that are stood in for.
const PACKAGES: &str = "wasi:";

/// The version that is: all of 0.2 have the same shapes. 0.3 is called in another way.
const VERSION: &str = "0.2.";

/// A plugin called a function that it has no power over.
#[derive(Debug, thiserror::Error)]
#[error("it called {function}: {}", reason(.function))]
pub(super) struct Powerless {
    /// `wasi:random/random@0.2.9#get-random-bytes`.
    function: String,
}

/// Everything of WASI that has state: streams, folders, sockets. What it stands for is in its number.
struct Handle;

/// Whether the relay stands in for the interface of this name.
pub(super) fn is_stubbed(interface: &str) -> bool {
    let version = interface.split_once('@').map(|(_, version)| version);
    interface.starts_with(PACKAGES) && version.is_some_and(|it| it.starts_with(VERSION))
}

/// What a plugin finds behind a stubbed interface, in words for people.
#[must_use]
pub fn meaning(interface: &str) -> &'static str {
    match short(interface) {
        "cli/environment" => "empty",
        "cli/stdout" | "cli/stderr" => "lines for the relay's log",
        "cli/stdin" => "nothing to read",
        "cli/terminal-stdin"
        | "cli/terminal-stdout"
        | "cli/terminal-stderr"
        | "cli/terminal-input"
        | "cli/terminal-output" => "no terminal",
        "clocks/wall-clock" | "clocks/monotonic-clock" => "a time that stands still within a batch",
        "random/random" | "random/insecure" | "random/insecure-seed" => {
            "the same numbers at each start, for seeds; a fault from the first event on"
        }
        "filesystem/preopens" | "filesystem/types" => "no files",
        "io/streams" | "io/error" => "only what is printed goes anywhere",
        name if name.starts_with("sockets/") || name.starts_with("http/") => "no network: a call is a fault",
        _ => "no power: a call is a fault",
    }
}

/// Stands in for every function and resource of WASI that `component` imports.
pub(super) fn add_to_linker(
    linker: &mut Linker<GuestState>,
    engine: &Engine,
    component: &Component,
) -> Result<()> {
    let component: ComponentType = component.component_type();
    for (name, item) in component.imports(engine) {
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        if !is_stubbed(name) {
            continue;
        }
        let mut stubs = linker.instance(name)?;
        for (item_name, item) in interface.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => function(&mut stubs, name, item_name)?,
                ComponentItem::Resource(_) => {
                    stubs.resource(item_name, ResourceType::host::<Handle>(), |_, _| Ok(()))?;
                }
                // Types have no code, and WASI nests nothing else.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Answers a function, or makes a call of it the caller's fault.
fn function(stubs: &mut LinkerInstance<'_, GuestState>, interface: &str, function: &str) -> Result<()> {
    if answers::define(stubs, interface, function)? {
        return Ok(());
    }
    let name = format!("{interface}#{function}");
    stubs.func_new(function, move |_: StoreContextMut<'_, GuestState>, _, _, _| {
        Err(Powerless { function: name.clone() }.into())
    })
}

/// `cli/environment` of `wasi:cli/environment@0.2.12`.
fn short(interface: &str) -> &str {
    let name = interface.strip_prefix(PACKAGES).unwrap_or(interface);
    name.split('@').next().unwrap_or(name)
}

/// Why a plugin has no power over `function`, and what to do instead.
fn reason(function: &str) -> &'static str {
    let name = short(function);
    let package = name.split('/').next().unwrap_or(name);
    match package {
        "random" => {
            "plugins have no randomness, because the same event must always get the same answer; \
                     derive what must be unique from the event's id"
        }
        "filesystem" => "plugins have no files; what they need comes with their configuration",
        "sockets" | "http" => "plugins have no network; what they need comes with their configuration",
        "io" | "clocks" => "plugins can't wait for anything",
        "cli" => "plugins can't end the program; return a verdict instead",
        _ => "the relay does not offer it to plugins",
    }
}
