SELECT pipeline, sink, event_id, sequence, aggregate_type, aggregate_id, event_type, content_type, payload,
       headers, attributes, occurred_at, attempts, code, detail, messages, generation, dead_at,
       (
           SELECT count(*)
           FROM relay_held AS blocked
           WHERE blocked.pipeline = held.pipeline AND blocked.sink = held.sink
             AND blocked.key_id = held.key_id AND blocked.state = 'blocked'
             AND (blocked.sequence, blocked.event_id) > (held.sequence, held.event_id)
       ) AS blocked
FROM relay_held AS held
WHERE dead_at IS NOT NULL
  AND (?1 IS NULL OR pipeline = ?1)
  AND (?2 IS NULL OR sink = ?2)
  AND (?3 IS NULL OR event_id = ?3)
  AND (?4 IS NULL OR aggregate_id = ?4)
  AND (?5 IS NULL OR code = ?5)
  AND (?6 IS NULL OR dead_at < ?6)
ORDER BY held.pipeline, held.sequence, held.sink, held.event_id
LIMIT ?7 OFFSET ?8
