//! Wraps a core module into a component and checks what it asks for and offers.

use wit_component::ComponentEncoder;

use super::BuildError;
use crate::plugin::host::Interfaces;

/// The package of the plugin contract: a component imports nothing from elsewhere.
const PACKAGE: &str = "relay:plugin/";
/// What every plugin exports, in any version.
const EXPORT: &str = "relay:plugin/transform@";

/// A plugin's component.
#[derive(Debug)]
pub(super) struct Component {
    /// The file's bytes.
    pub(super) bytes: Vec<u8>,
    /// What it uses and offers.
    pub(super) interfaces: Interfaces,
}

impl Component {
    /// The component of `module`, which the crate `package` compiled to.
    ///
    /// # Errors
    /// When the module is not a plugin: it was made without `export!`, or needs what no relay offers.
    pub(super) fn of_module(package: &str, module: &[u8]) -> Result<Self, BuildError> {
        let not_plugin = |what: String| BuildError::NotPlugin { package: package.to_owned(), what };
        let bytes = ComponentEncoder::default()
            .validate(true)
            .module(module)
            .and_then(|encoder| encoder.encode())
            .map_err(|error| not_plugin(format!("{error:#}")))?;
        let checked = Interfaces::of(&bytes).and_then(|it| match it.stubs.first() {
            Some(stub) => Err(not_offered(&stub.name)),
            None => checked(it),
        });
        checked.map_err(not_plugin).map(|interfaces| Self { bytes, interfaces })
    }

    /// What another language's tool made of the plugin `package`. Its runtime may import WASI: the relay stands in.
    ///
    /// # Errors
    /// When it is not a plugin, or needs what no relay offers.
    pub(super) fn of_tool(package: &str, bytes: Vec<u8>) -> Result<Self, BuildError> {
        match Interfaces::of(&bytes).and_then(checked) {
            Ok(interfaces) => Ok(Self { bytes, interfaces }),
            Err(what) => Err(BuildError::NotPlugin { package: package.to_owned(), what }),
        }
    }
}

fn checked(interfaces: Interfaces) -> Result<Interfaces, String> {
    if let Some(foreign) = interfaces.imports.iter().find(|it| !it.name.starts_with(PACKAGE)) {
        return Err(not_offered(&foreign.name));
    }
    if !interfaces.exports.iter().any(|it| it.name.starts_with(EXPORT)) {
        return Err("it does not export relay:plugin/transform".to_owned());
    }
    Ok(interfaces)
}

fn not_offered(name: &str) -> String {
    format!("it imports {name}, which no relay offers")
}
