-- One request a lane, so that each owner can close its own. It never means letters that die later: an operator has
-- seen those that are there now.
, matching AS (
    SELECT pipeline, sink, shard, count(*) AS letters
    FROM meant
    GROUP BY pipeline, sink, shard
), asked AS (
    INSERT INTO request (pipeline, sink, shard, event_id, aggregate_id, code, dead_before, action, payload, requested_at)
    SELECT pipeline, sink, shard, $3, $4, $5,
           least($6, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + 1), $7, $8, statement_timestamp()
    FROM matching
    RETURNING id, pipeline, sink, shard
)
SELECT asked.id, matching.letters
FROM asked
JOIN matching ON matching.pipeline = asked.pipeline AND matching.sink = asked.sink
    AND matching.shard = asked.shard
