-- Two letters of one key have the same events behind them, so those behind the first of each key are counted.
WITH matching AS (
    SELECT pipeline, sink, key_id, count(*) AS letters, min(sequence) AS first
    FROM relay_held
    WHERE dead_at IS NOT NULL
      AND (?1 IS NULL OR pipeline = ?1)
      AND (?2 IS NULL OR sink = ?2)
      AND (?3 IS NULL OR event_id = ?3)
      AND (?4 IS NULL OR aggregate_id = ?4)
      AND (?5 IS NULL OR code = ?5)
      AND (?6 IS NULL OR dead_at < ?6)
    GROUP BY pipeline, sink, key_id
)
SELECT coalesce(sum(letters), 0) AS letters,
       count(*) AS keys,
       coalesce(sum((
           SELECT count(*)
           FROM relay_held AS blocked
           WHERE blocked.key_id = matching.key_id
             AND blocked.pipeline = matching.pipeline AND blocked.sink = matching.sink
             AND blocked.state = 'blocked' AND blocked.sequence > matching.first
       )), 0) AS behind
FROM matching
