//! Wraps a core module into a component and checks what it asks for and offers.

use wit_component::{ComponentEncoder, DecodedWasm};

use super::BuildError;
use crate::plugin::host::is_stubbed;

/// The package of the plugin contract: a component imports nothing from elsewhere.
const PACKAGE: &str = "relay:plugin/";
/// What every plugin exports, in any version.
const EXPORT: &str = "relay:plugin/transform@";

/// A plugin's component.
#[derive(Debug)]
pub(super) struct Component {
    /// The file's bytes.
    pub(super) bytes: Vec<u8>,
    /// The interfaces it uses.
    pub(super) imports: Vec<String>,
    /// The interfaces it offers.
    pub(super) exports: Vec<String>,
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
        Self::read(bytes).and_then(|it| it.checked(|_| false)).map_err(not_plugin)
    }

    /// What another language's tool made of the plugin `package`. Its runtime may import WASI: the relay stands in.
    ///
    /// # Errors
    /// When it is not a plugin, or needs what no relay offers.
    pub(super) fn of_tool(package: &str, bytes: Vec<u8>) -> Result<Self, BuildError> {
        let checked = Self::read(bytes).and_then(|it| it.checked(is_stubbed));
        checked.map_err(|what| BuildError::NotPlugin { package: package.to_owned(), what })
    }

    fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let decoded = wit_component::decode(&bytes).map_err(|error| format!("{error:#}"))?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err("it is a WIT package, not a component".to_owned());
        };
        let world = &resolve.worlds[world];
        Ok(Self {
            imports: world.imports.keys().map(|key| resolve.name_world_key(key)).collect(),
            exports: world.exports.keys().map(|key| resolve.name_world_key(key)).collect(),
            bytes,
        })
    }

    fn checked(self, is_stubbed: impl Fn(&str) -> bool) -> Result<Self, String> {
        let foreign = |name: &&String| !name.starts_with(PACKAGE) && !is_stubbed(name);
        if let Some(name) = self.imports.iter().find(foreign) {
            return Err(format!("it imports {name}, which no relay offers"));
        }
        if !self.exports.iter().any(|name| name.starts_with(EXPORT)) {
            return Err("it does not export relay:plugin/transform".to_owned());
        }
        Ok(self)
    }
}
