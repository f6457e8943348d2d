//! Reads what a component needs and offers from its types, before any of its code runs.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use super::load::Refusal;
use super::{v0_1, wasi};
use crate::plugin::Permissions;

/// The package that the contract's interfaces belong to.
const PACKAGE: &str = "relay:plugin";

/// The versions of the contract that this relay serves, for messages.
const SERVED: &str = "0.1";

/// The version of the contract that a plugin was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contract {
    /// `relay:plugin@0.1.x`.
    V0_1,
}

/// `package/interface@version`, as components name what they import and export.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        Some(Self { package, interface, version })
    }

    fn contract(&self) -> Option<Contract> {
        let mut parts = self.version.split('.');
        match (parts.next(), parts.next()) {
            (Some("0"), Some("1")) => Some(Contract::V0_1),
            _ => None,
        }
    }
}

impl Contract {
    fn imports(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::V0_1 => v0_1::IMPORTS,
        }
    }

    /// The contract that `component` was built for, if the relay serves all it needs.
    pub(super) fn of(engine: &Engine, component: &Component) -> Result<Self, Refusal> {
        let component = component.component_type();
        // The version first: what a plugin of another version imports would only confuse.
        let exported = component.exports(engine).find_map(|(name, item)| {
            let parsed = Name::parse(name)?;
            (parsed.package == PACKAGE && parsed.interface == "transform").then_some((name, parsed, item.ty))
        });
        let Some((name, parsed, item)) = exported else { return Err(no_transform()) };
        let contract = parsed.contract().ok_or_else(|| other_version(name))?;
        let ComponentItem::ComponentInstance(transform) = item else { return Err(no_transform()) };
        for (name, item) in component.imports(engine) {
            contract.check_import(engine, name, &item.ty)?;
        }
        let types = match contract {
            Self::V0_1 => v0_1::check_types(engine, &component, &transform),
        };
        types.map_err(|error| does_not_fit(&error)).map(|()| contract)
    }

    fn check_import(self, engine: &Engine, name: &str, item: &ComponentItem) -> Result<(), Refusal> {
        if wasi::is_stubbed(name) {
            return Ok(());
        }
        let parsed = Name::parse(name).filter(|it| it.package == PACKAGE).ok_or_else(|| not_served(name))?;
        if parsed.contract() != Some(self) {
            return Err(other_version(name));
        }
        let (_, functions) =
            self.imports().iter().find(|(it, _)| *it == parsed.interface).ok_or_else(|| not_served(name))?;
        let ComponentItem::ComponentInstance(interface) = item else { return Err(not_served(name)) };
        match unserved_function(engine, interface, functions) {
            Some(function) => Err(not_served(&format!("{name}#{function}"))),
            None => Ok(()),
        }
    }
}

/// What `component` may use: every function that it imports.
pub(super) fn permissions(engine: &Engine, component: &Component) -> Permissions {
    let component = component.component_type();
    let mut imports = Vec::new();
    for (interface, item) in component.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        // What holds no power needs no permission.
        if wasi::is_stubbed(interface) {
            continue;
        }
        let functions = instance.exports(engine);
        let functions = functions.filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
        imports.extend(functions.map(|(function, _)| (interface.to_owned(), function.to_owned())));
    }
    Permissions::of_imports(
        imports.iter().map(|(interface, function)| (interface.as_str(), function.as_str())),
    )
}

fn unserved_function(engine: &Engine, interface: &ComponentInstance, served: &[&str]) -> Option<String> {
    interface
        .exports(engine)
        .find(|(name, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)) && !served.contains(name))
        .map(|(name, _)| name.to_owned())
}

/// The interfaces have the right names and other types.
pub(super) const TYPES_DIFFER: &str = "P109";

/// The contract as this relay serves it, for messages.
pub(super) fn served() -> String {
    format!("{PACKAGE}@{SERVED}")
}

/// The refusal of types that differ, in the words of the engine.
pub(super) fn does_not_fit(error: &wasmtime::Error) -> Refusal {
    Refusal {
        code: TYPES_DIFFER,
        what: format!("its types differ from those of the contract {PACKAGE}@{SERVED}: {error:#}"),
        remedy: "build it against the `wit` directory of this relay, unchanged".to_owned(),
    }
}

fn no_transform() -> Refusal {
    Refusal {
        code: "P105",
        what: format!("it does not export {PACKAGE}/transform, so it is no plugin of this relay"),
        remedy: "build it against `wit/0.1.0`, or with `relay plugin build`".to_owned(),
    }
}

fn other_version(name: &str) -> Refusal {
    Refusal {
        code: "P103",
        what: format!("it was built for {name}, and this relay serves {PACKAGE}@{SERVED}"),
        remedy: "build it for a version that is served, or run a relay that serves this one".to_owned(),
    }
}

fn not_served(name: &str) -> Refusal {
    let remedy = if name.starts_with("wasi:") {
        "the relay stands in for WASI 0.2, without any power, and for no other version: build it with \
         `relay plugin build`, or for WASI 0.2"
    } else {
        "this relay does not offer it; it may be older than the plugin"
    };
    Refusal {
        code: "P104",
        what: format!("it imports {name}, which is not served"),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::PERMISSIONS;

    #[test]
    fn every_function_that_is_served_is_a_permission() {
        let served =
            v0_1::IMPORTS.iter().flat_map(|(name, functions)| functions.iter().map(move |it| (*name, *it)));
        let all: Vec<String> = Permissions::of_imports(served).names().map(str::to_owned).collect();
        assert_eq!(all, PERMISSIONS);
    }

    #[test]
    fn a_patch_of_a_served_version_is_served_and_another_minor_is_not() {
        let contract = |name| Name::parse(name).and_then(|it| it.contract());
        assert_eq!(contract("relay:plugin/transform@0.1.0"), Some(Contract::V0_1));
        assert_eq!(contract("relay:plugin/transform@0.1.7"), Some(Contract::V0_1));
        assert_eq!(contract("relay:plugin/transform@0.10.0"), None);
        assert_eq!(contract("relay:plugin/transform@1.0.0"), None);
        assert_eq!(contract("relay:plugin/transform"), None);
    }
}
