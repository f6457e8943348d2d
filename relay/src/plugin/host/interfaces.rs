//! What a component imports and exports.

use std::panic::catch_unwind;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
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
    /// Those of the component `bytes`, read without compiling it: for people, and for who wants to know early. What a
    /// plugin may do is decided by what the engine finds in it once it is compiled.
    ///
    /// # Errors
    /// Why it can't be told, in words.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        // The reader takes some things for granted that a stranger's component need not keep to.
        catch_unwind(|| Self::decoded(bytes))
            .unwrap_or_else(|_| Err("they can't be written as WIT".to_owned()))
    }

    fn decoded(bytes: &[u8]) -> Result<Self, String> {
        let decoded = wit_component::decode(bytes).map_err(|error| format!("{error:#}"))?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err("it is a WIT package, not a component".to_owned());
        };
        let world = &resolve.worlds[world];
        let interfaces = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
            items.map(|(key, item)| interface(&resolve, key, item)).collect::<Vec<_>>()
        };
        let exports = interfaces(&mut world.exports.iter());
        Ok(Self::sorted(interfaces(&mut world.imports.iter()), exports))
    }

    /// Those of a compiled component.
    pub(super) fn of_component(engine: &Engine, component: &Component) -> Self {
        let component = component.component_type();
        let interface = |(name, item): (&str, ComponentItem)| {
            let functions = match item {
                ComponentItem::ComponentInstance(instance) => {
                    let all = instance.exports(engine);
                    let functions = all.filter(|(_, it)| matches!(it.ty, ComponentItem::ComponentFunc(_)));
                    functions.map(|(function, _)| function.to_owned()).collect()
                }
                ComponentItem::ComponentFunc(_) => vec![name.to_owned()],
                _ => Vec::new(),
            };
            Interface { name: name.to_owned(), functions }
        };
        let imports = component.imports(engine).map(|(name, it)| interface((name, it.ty))).collect();
        Self::sorted(imports, component.exports(engine).map(|(name, it)| interface((name, it.ty))).collect())
    }

    fn sorted(imports: Vec<Interface>, exports: Vec<Interface>) -> Self {
        let (stubs, imports) = imports.into_iter().partition(|it| is_stubbed(&it.name));
        Self { imports, stubs, exports }
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
