//! `[relay]`

use std::ops::RangeInclusive;
use std::time::Duration;

use super::model::RelayConfig;
use super::section::Section;
use crate::plugin::host::FolderConfig;

/// Shorter, and a slow commit costs the lane; longer, and a takeover takes minutes.
const LEASE_RANGE: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_mins(5);

pub(super) fn read(root: &Section<'_>) -> RelayConfig {
    let Some(section) = root.section("relay") else { return RelayConfig::default() };
    let folder = |key| match section.text(key) {
        None => FolderConfig::Standard,
        Some(text) if text.value == "off" => FolderConfig::Off,
        Some(text) => FolderConfig::At(section.document.resolve(&text.value)),
    };
    let (cache, state) = (folder("cache"), folder("state"));
    let lease = section.entry("lease").and_then(|it| it.duration(LEASE_RANGE));
    section.finish();
    RelayConfig { cache, state, lease }
}
