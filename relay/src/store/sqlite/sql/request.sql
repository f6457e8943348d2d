-- One request a lane, so that each owner can close its own. It never means letters that die later: an operator has
-- seen those that are there now.
INSERT INTO relay_request (pipeline, sink, shard, event_id, aggregate_id, code, dead_before, action, payload, requested_at)
SELECT DISTINCT pipeline, sink, shard, ?3, ?4, ?5,
    min(coalesce(?6, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + 1), CAST(unixepoch('subsec') * 1000000 AS INTEGER) + 1),
    ?7, ?8, CAST(unixepoch('subsec') * 1000000 AS INTEGER)
FROM relay_held
WHERE dead_at IS NOT NULL
  AND (?1 IS NULL OR pipeline = ?1)
  AND (?2 IS NULL OR sink = ?2)
  AND (?3 IS NULL OR event_id = ?3)
  AND (?4 IS NULL OR aggregate_id = ?4)
  AND (?5 IS NULL OR code = ?5)
  AND (?6 IS NULL OR dead_at < ?6)
RETURNING id
