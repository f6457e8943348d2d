-- Those that are due longest first, so that one that keeps failing can't keep others from their turn.
SELECT event_id, sequence, key_id, aggregate_type, aggregate_id, event_type, content_type, payload, headers,
       attributes, occurred_at, attempts, messages, delivered_slots, rerun
FROM (
    SELECT *
    FROM relay_held
    WHERE pipeline = ?1 AND sink = ?2 AND shard = ?4 AND next_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
    ORDER BY next_at, sequence
    LIMIT ?3
)
ORDER BY sequence, event_id
