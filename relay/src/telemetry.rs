//! Names of metrics and of their labels. Every name carries its unit; counters end in `_total`.

/// Counter: deliveries acknowledged by the sink. Labels: pipeline, sink.
pub const DELIVERED: &str = "relay_deliveries_total";
/// Counter: events done without a delivery. Labels: pipeline, sink.
pub const DISCARDED: &str = "relay_events_discarded_total";
/// Counter: events read from the outbox. Labels: pipeline, sink.
pub const READ: &str = "relay_events_read_total";
/// Counter: failed attempts and outages by code. Labels: pipeline, sink, code.
pub const FAILURES: &str = "relay_failures_total";
/// Counter: answers that were lost; those messages are sent again under the same key, and may arrive twice. Labels:
/// pipeline, sink.
pub const UNKNOWN: &str = "relay_deliveries_unknown_total";
/// Counter: events that were sent, and whose rows a failover of the database took back. Labels: pipeline, sink.
pub const TAKEN_BACK: &str = "relay_events_taken_back_total";
/// Gauge: events between settled progress and the newest read. Labels: pipeline, sink.
pub const WINDOW: &str = "relay_window_events";
/// Gauge: parked, blocked and blocking dead events. Labels: pipeline, sink.
pub const HELD: &str = "relay_held_events";
/// Gauge: 1 while the sink is away. Labels: pipeline, sink.
pub const OUTAGE: &str = "relay_sink_outage";
/// Gauge: 1 while most events fail, so that the lane stands still. Labels: pipeline, sink.
pub const STORM: &str = "relay_storm";
/// Gauge: 1 while the side table has no room, so that the lane stands still. Labels: pipeline, sink.
pub const FULL: &str = "relay_held_full";
/// Counter: settlements recorded. Labels: pipeline, sink.
pub const SETTLEMENTS: &str = "relay_settlements_total";
/// Counter: plugin generations that went live. Labels: pipeline, sink.
pub const SWAPS: &str = "relay_plugin_swaps_total";
/// Counter: events that also went through the build beside the live one. Labels: plugin.
pub const SHADOW_COMPARED: &str = "relay_shadow_events_total";
/// Counter: those that came out otherwise. Labels: plugin.
pub const SHADOW_DIFFERING: &str = "relay_shadow_differing_total";
/// Counter: events that the build beside the live one had no time for. Labels: plugin.
pub const SHADOW_SKIPPED: &str = "relay_shadow_skipped_total";
/// Gauge: seconds from the event's own time to its acknowledgement, of the newest report. Labels: pipeline, sink.
pub const AGE: &str = "relay_delivery_age_seconds";
/// Gauge: rows of a lookup table. Labels: lookup.
pub const LOOKUP_ROWS: &str = "relay_lookup_rows";
/// Gauge: memory that a lookup table takes. Labels: lookup.
pub const LOOKUP_BYTES: &str = "relay_lookup_bytes";
/// Gauge: seconds since a lookup table was read. Labels: lookup.
pub const LOOKUP_AGE: &str = "relay_lookup_age_seconds";
/// Counter: readings of a lookup table that failed, so that it stayed as it was. Labels: lookup.
pub const LOOKUP_FAILURES: &str = "relay_lookup_refresh_failures_total";
/// Counter: updates of a plugin's own metrics that were left out, being over a limit or of a wrong name. Labels: plugin.
pub const PLUGIN_METRICS_REFUSED: &str = "relay_plugin_metrics_refused_total";
/// Gauges: the most bytes of memory that an instance of the plugin's build held, and its limit. Labels: plugin.
pub const PLUGIN_MEMORY: [&str; 2] = ["relay_plugin_memory_max_bytes", "relay_plugin_memory_limit_bytes"];
/// Gauges: the longest that an event took, on average over its batch, and the limit. Labels: plugin.
pub const PLUGIN_TIME: [&str; 2] = ["relay_plugin_event_max_seconds", "relay_plugin_event_limit_seconds"];
/// Gauges: the most messages that one event made, and the limit. Labels: plugin.
pub const PLUGIN_MESSAGES: [&str; 2] = ["relay_plugin_messages_max", "relay_plugin_messages_limit"];
/// Gauges: the most bytes that one event made, and the limit. Labels: plugin.
pub const PLUGIN_OUTPUT: [&str; 2] = ["relay_plugin_output_max_bytes", "relay_plugin_output_limit_bytes"];
