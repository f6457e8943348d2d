-- Two letters of one key have the same events behind them, so those behind the first of each key are counted.
WITH matching AS (
    SELECT pipeline, sink, key_id, count(*) AS letters, min(sequence) AS first
    FROM held
    WHERE dead_at IS NOT NULL
      AND ($1::text IS NULL OR pipeline = $1)
      AND ($2::text IS NULL OR sink = $2)
      AND ($3::text IS NULL OR event_id = $3)
      AND ($4::text IS NULL OR aggregate_id = $4)
      AND ($5::text IS NULL OR code = $5)
      AND ($6::bigint IS NULL OR (extract(epoch FROM dead_at) * 1000000)::bigint < $6)
    GROUP BY pipeline, sink, key_id
)
SELECT coalesce(sum(letters), 0)::bigint AS letters,
       count(*) AS keys,
       coalesce(sum((
           SELECT count(*)
           FROM held AS blocked
           WHERE blocked.key_id = matching.key_id
             AND blocked.pipeline = matching.pipeline AND blocked.sink = matching.sink
             AND blocked.state = 'blocked' AND blocked.sequence > matching.first
       )), 0)::bigint AS behind
FROM matching
