//! `[relay]`

use super::model::RelayConfig;
use super::section::Section;
use crate::plugin::host::CompileCacheConfig;

pub(super) fn read(root: &Section<'_>) -> RelayConfig {
    let Some(section) = root.section("relay") else { return RelayConfig::default() };
    let cache = match section.text("cache") {
        None => CompileCacheConfig::Standard,
        Some(text) if text.value == "off" => CompileCacheConfig::Off,
        Some(text) => CompileCacheConfig::At(section.document.resolve(&text.value)),
    };
    section.finish();
    RelayConfig { cache }
}
