-- One request a lane, so that each owner can close its own. It never means letters that die later: an operator has
-- seen those that are there now.
INSERT INTO relay_request (pipeline, sink, shard, event_id, aggregate_id, code, dead_before, action, payload, requested_at)
SELECT DISTINCT pipeline, sink, shard, ?3, ?4, ?5,
    min(coalesce(?6, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + 1), CAST(unixepoch('subsec') * 1000000 AS INTEGER) + 1),
    ?7, ?8, CAST(unixepoch('subsec') * 1000000 AS INTEGER)
FROM meant
RETURNING id
