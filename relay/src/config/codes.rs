//! Stable codes of what can be wrong with a configuration; `explain/config.md` has a page for each.

/// The file can't be read.
pub(crate) const UNREADABLE: &str = "C001";
/// The file is not TOML.
pub(crate) const SYNTAX: &str = "C002";
/// A key that the relay does not know.
pub(crate) const UNKNOWN_KEY: &str = "C003";
/// A key that only the user can give is missing.
pub(crate) const MISSING_KEY: &str = "C004";
/// A value of another type.
pub(crate) const WRONG_TYPE: &str = "C005";
/// A number, duration or size outside its range.
pub(crate) const OUT_OF_RANGE: &str = "C006";
/// A duration that can't be read, mostly for want of a unit.
pub(crate) const DURATION: &str = "C007";
/// A size that can't be read, mostly for want of a unit.
pub(crate) const SIZE: &str = "C008";
/// A variable that is not set.
pub(crate) const VARIABLE_UNSET: &str = "C009";
/// `${…}` that can't be read.
pub(crate) const INTERPOLATION: &str = "C010";
/// A secret's file that can't be read.
pub(crate) const SECRET_FILE: &str = "C011";
/// Not a type of source or sink.
pub(crate) const UNKNOWN_TYPE: &str = "C012";
/// Not one of the values that are allowed here.
pub(crate) const NOT_ALLOWED: &str = "C013";
/// A type of source or sink that this build leaves out.
pub(crate) const NOT_BUILT_IN: &str = "C014";
/// A name with other characters than `a-z0-9-_`.
pub(crate) const NAME: &str = "C015";
/// An address, URL or path that can't be read.
pub(crate) const ADDRESS: &str = "C016";
/// A source without `start`.
pub(crate) const NO_START: &str = "C017";
/// A route that can't be read or uses an unknown placeholder.
pub(crate) const ROUTE: &str = "C018";
/// Keys that exclude each other.
pub(crate) const CONFLICT: &str = "C019";
/// A pipeline names a source that is not configured.
pub(crate) const NO_SUCH_SOURCE: &str = "C020";
/// A pipeline names a sink that is not configured.
pub(crate) const NO_SUCH_SINK: &str = "C021";
/// A pipeline names a plugin that is not configured.
pub(crate) const NO_SUCH_PLUGIN: &str = "C022";
/// A grant names a sink that the plugin can't reach.
pub(crate) const GRANT: &str = "C023";
/// A route for a sink that is not the pipeline's.
pub(crate) const ROUTE_SINK: &str = "C024";
/// Nothing to run.
pub(crate) const NO_PIPELINE: &str = "C025";
/// A name that a list holds twice.
pub(crate) const TWICE: &str = "C026";
/// A Kafka property that the relay decides.
#[cfg(feature = "kafka")]
pub(crate) const RESERVED_PROPERTY: &str = "C028";
/// A plugin names a lookup table that is not configured.
pub(crate) const NO_SUCH_LOOKUP: &str = "C029";
/// A plugin names a credential that no HTTP sink has.
pub(crate) const NO_SUCH_CREDENTIAL: &str = "C034";
/// Warning: a plugin that no pipeline uses.
pub(crate) const UNUSED_PLUGIN: &str = "C030";
/// Warning: a sink that no pipeline uses.
pub(crate) const UNUSED_SINK: &str = "C031";
/// Warning: a source that no pipeline uses.
pub(crate) const UNUSED_SOURCE: &str = "C032";
/// Warning: a lookup table that no plugin may read.
pub(crate) const UNUSED_LOOKUP: &str = "C033";
/// `--to` or `--outbox` can't be read.
pub(crate) const FLAG_ADDRESS: &str = "C040";
