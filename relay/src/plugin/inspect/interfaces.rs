//! Reads from a component's types what it imports and exports.

use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::plugin::Permissions;
use crate::plugin::host::is_stubbed;

/// One interface that a component uses or offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `relay:plugin/log@0.1.0`.
    pub name: String,
    /// Its functions that the component uses or offers; none where it only shares types.
    pub functions: Vec<String>,
}

/// All interfaces of a component.
pub(super) struct Interfaces {
    /// Package and version of the exported `transform`.
    pub(super) contract: String,
    pub(super) imports: Vec<Interface>,
    /// Imports of WASI that the relay stands in for.
    pub(super) stubs: Vec<Interface>,
    pub(super) exports: Vec<Interface>,
}

/// What `bytes` uses and offers.
pub(super) fn of(bytes: &[u8]) -> Result<Interfaces, String> {
    let decoded = wit_component::decode(bytes).map_err(|error| format!("{error:#}"))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("it is a WIT package, not a component".to_owned());
    };
    let world = &resolve.worlds[world];
    let interfaces = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
        items.map(|(key, item)| interface(&resolve, key, item)).collect::<Vec<_>>()
    };
    let exports = interfaces(&mut world.exports.iter());
    let contract = exports.iter().find_map(|it| contract(&it.name)).unwrap_or_default();
    let (stubs, imports) =
        interfaces(&mut world.imports.iter()).into_iter().partition(|it| is_stubbed(&it.name));
    Ok(Interfaces { contract, imports, stubs, exports })
}

/// What `bytes` may use, from its types alone: nothing is compiled.
pub(super) fn permissions(bytes: &[u8]) -> Result<Permissions, String> {
    let imports = of(bytes)?.imports;
    let functions = imports
        .iter()
        .flat_map(|it| it.functions.iter().map(|function| (it.name.as_str(), function.as_str())));
    Ok(Permissions::of_imports(functions))
}

fn interface(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Interface {
    let functions = match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.keys().cloned().collect(),
        WorldItem::Function(function) => vec![function.name.clone()],
        WorldItem::Type { .. } => Vec::new(),
    };
    Interface { name: resolve.name_world_key(key), functions }
}

/// `relay:plugin@0.1.0` of `relay:plugin/transform@0.1.0`.
fn contract(name: &str) -> Option<String> {
    let (package, version) = name.split_once("/transform@")?;
    Some(format!("{package}@{version}"))
}
