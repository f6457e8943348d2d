//! Tells from a component's types which contract it was built for, and whether the relay serves all that it needs.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::interfaces::{Interface, Interfaces};
use super::load::Refusal;
use super::v0_1;

/// The package that the contract's interfaces belong to.
const PACKAGE: &str = "relay:plugin";

/// The interface that every plugin exports.
const TRANSFORM: &str = "transform";

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

    fn is_transform(&self) -> bool {
        self.package == PACKAGE && self.interface == TRANSFORM
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

    /// The contract that a component with these interfaces was built for, if the relay serves all it needs.
    pub(super) fn of(interfaces: &Interfaces) -> Result<Self, Refusal> {
        // The version first: what a plugin of another version imports would only confuse.
        let mut exports = interfaces.exports.iter().filter_map(|it| Some((&it.name, Name::parse(&it.name)?)));
        let (name, parsed) = exports.find(|(_, it)| it.is_transform()).ok_or_else(no_transform)?;
        let contract = parsed.contract().ok_or_else(|| other_version(name))?;
        interfaces.imports.iter().try_for_each(|it| contract.check_import(it))?;
        Ok(contract)
    }

    fn check_import(self, interface: &Interface) -> Result<(), Refusal> {
        let name = &interface.name;
        let parsed = Name::parse(name).filter(|it| it.package == PACKAGE).ok_or_else(|| not_served(name))?;
        if parsed.contract() != Some(self) {
            return Err(other_version(name));
        }
        let (_, functions) =
            self.imports().iter().find(|(it, _)| *it == parsed.interface).ok_or_else(|| not_served(name))?;
        match interface.functions.iter().find(|function| !functions.contains(&function.as_str())) {
            Some(function) => Err(not_served(&format!("{name}#{function}"))),
            None => Ok(()),
        }
    }

    /// Compares the types of what `component` exports with those of this contract; what it imports is compared when it
    /// is linked.
    pub(super) fn check_types(self, engine: &Engine, component: &Component) -> Result<(), Refusal> {
        let component = component.component_type();
        let mut exports = component.exports(engine);
        let transform = exports.find(|(name, _)| Name::parse(name).is_some_and(|it| it.is_transform()));
        let Some(ComponentItem::ComponentInstance(transform)) = transform.map(|(_, item)| item.ty) else {
            return Err(no_transform());
        };
        let types = match self {
            Self::V0_1 => v0_1::check_types(engine, &component, &transform),
        };
        types.map_err(|error| does_not_fit(&error))
    }
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
    use crate::plugin::{PERMISSIONS, Permissions};

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
