-- An event that is held already keeps its row: its window ran twice, and what was stored first is the truth.
INSERT INTO relay_held (
    pipeline, sink, shard, event_id, sequence, key_id, aggregate_type, aggregate_id, event_type, content_type,
    payload, headers, attributes, occurred_at, state, attempts, next_at, code, detail, messages,
    delivered_slots, generation, held_at, dead_at
)
VALUES (
    ?1, ?2, ?22, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
    ?10, ?11, ?12, ?13, ?14, ?15, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?16, ?17, ?18, ?19,
    ?20, ?21, CAST(unixepoch('subsec') * 1000000 AS INTEGER),
    CASE ?14 WHEN 'dead' THEN CAST(unixepoch('subsec') * 1000000 AS INTEGER) END
)
ON CONFLICT (pipeline, sink, event_id) DO NOTHING
