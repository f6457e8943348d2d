//! The trait every plugin implements.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Event, Fault, Problem, Verdict};

/// A plugin: made once from its configuration, then asked about one event after the other.
///
/// The relay may make several instances and may drop one at any time, so whatever `self` gathers is a cache:
/// the same event must get the same answer from a fresh instance, or a retry sends something else under the
/// same idempotency key.
pub trait Plugin: Sized + 'static {
    /// The plugin's settings. Derive `Deserialize` and `JsonSchema`, with `#[serde(deny_unknown_fields)]`, so
    /// that a mistyped setting is reported and not ignored. The doc comments of its fields become the
    /// descriptions in its JSON Schema. A plugin without settings uses `()`.
    type Config: DeserializeOwned + JsonSchema;

    /// Takes the configuration, once per instance, before the first event.
    ///
    /// # Errors
    /// A [`Problem`] names the setting that cannot work; the relay refuses to load the plugin and shows it.
    fn new(config: Self::Config) -> Result<Self, Problem>;

    /// Answers for one event. Events come in outbox order.
    ///
    /// # Errors
    /// A [`Fault`] says that there is no answer now, or never. A panic costs the whole batch a second run
    /// and makes this event a dead letter; a fault does neither to its neighbours.
    fn transform(&mut self, event: &Event) -> Result<Verdict, Fault>;
}
