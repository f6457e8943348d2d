//! Wraps a core module into a component and checks what it asks for and offers.

use wit_component::{ComponentEncoder, DecodedWasm};

use super::BuildError;

/// The package of the plugin contract. A component may import and must export only what is in it.
const PACKAGE: &str = "relay:plugin/";
/// What every plugin exports, in any version.
const EXPORT: &str = "relay:plugin/transform@";

/// The component of `module`, which the crate `package` compiled to.
///
/// # Errors
/// When the module is not a plugin: it was made without `export!`, or needs what no relay offers.
pub(super) fn from_module(package: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let not_plugin = |what: String| BuildError::NotPlugin { package: package.to_owned(), what };
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| not_plugin(format!("{error:#}")))?;
    check(&component).map_err(not_plugin)?;
    Ok(component)
}

fn check(component: &[u8]) -> Result<(), String> {
    let decoded = wit_component::decode(component).map_err(|error| format!("{error:#}"))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("it is a WIT package, not a component".to_owned());
    };
    let world = &resolve.worlds[world];
    let foreign =
        world.imports.keys().map(|key| resolve.name_world_key(key)).find(|it| !it.starts_with(PACKAGE));
    if let Some(name) = foreign {
        return Err(format!("it imports {name}, which no relay offers"));
    }
    if !world.exports.keys().any(|key| resolve.name_world_key(key).starts_with(EXPORT)) {
        return Err("it does not export relay:plugin/transform".to_owned());
    }
    Ok(())
}
