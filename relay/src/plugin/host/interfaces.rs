//! Reads from a component's types what it imports and exports: before the time to compile it is spent, and before any of
//! its code runs.

use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::plugin::Permissions;

use super::wasi::is_stubbed;

/// One interface that a component uses or offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `relay:plugin/log@0.1.0`.
    pub name: String,
    /// Its functions that the component uses or offers; none where it only shares types.
    pub functions: Vec<String>,
}

/// All interfaces of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interfaces {
    /// What it uses and the relay may offer.
    pub imports: Vec<Interface>,
    /// Imports of WASI that the relay stands in for.
    pub stubs: Vec<Interface>,
    /// What it offers.
    pub exports: Vec<Interface>,
}

impl Interfaces {
    /// Those of the component `bytes`. Nothing is compiled.
    ///
    /// # Errors
    /// Why it can't be told, in words.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let decoded = wit_component::decode(bytes).map_err(|error| format!("{error:#}"))?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err("it is a WIT package, not a component".to_owned());
        };
        let world = &resolve.worlds[world];
        let interfaces = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
            items.map(|(key, item)| interface(&resolve, key, item)).collect::<Vec<_>>()
        };
        let exports = interfaces(&mut world.exports.iter());
        let (stubs, imports) =
            interfaces(&mut world.imports.iter()).into_iter().partition(|it| is_stubbed(&it.name));
        Ok(Self { imports, stubs, exports })
    }

    /// What a build with these interfaces may use: every function that it imports, but for those without power.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        let functions = self
            .imports
            .iter()
            .flat_map(|it| it.functions.iter().map(|function| (it.name.as_str(), function.as_str())));
        Permissions::of_imports(functions)
    }
}

fn interface(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Interface {
    let functions = match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.keys().cloned().collect(),
        WorldItem::Function(function) => vec![function.name.clone()],
        WorldItem::Type { .. } => Vec::new(),
    };
    Interface { name: resolve.name_world_key(key), functions }
}
