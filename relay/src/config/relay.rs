//! `[relay]`

use std::ops::RangeInclusive;
use std::time::Duration;

use super::model::RelayConfig;
use super::section::Section;
use crate::plugin::history::HistoryConfig;
use crate::plugin::host::CompileCacheConfig;

/// Shorter, and a slow commit costs the lane; longer, and a takeover takes minutes.
const LEASE_RANGE: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_mins(5);

pub(super) fn read(root: &Section<'_>) -> RelayConfig {
    let Some(section) = root.section("relay") else { return RelayConfig::default() };
    let cache = match section.text("cache") {
        None => CompileCacheConfig::Standard,
        Some(text) if text.value == "off" => CompileCacheConfig::Off,
        Some(text) => CompileCacheConfig::At(section.document.resolve(&text.value)),
    };
    let state = match section.text("state") {
        None => HistoryConfig::Standard,
        Some(text) if text.value == "off" => HistoryConfig::Off,
        Some(text) => HistoryConfig::At(section.document.resolve(&text.value)),
    };
    let lease = section.entry("lease").and_then(|it| it.duration(LEASE_RANGE));
    section.finish();
    RelayConfig { cache, state, lease }
}
