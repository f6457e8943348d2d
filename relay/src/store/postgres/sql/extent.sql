-- Two letters of one key have the same events behind them, so those behind the first of each key are counted.
SELECT coalesce(sum(letters), 0)::bigint AS letters,
       count(*) AS keys,
       coalesce(sum((
           SELECT count(*)
           FROM held AS blocked
           WHERE blocked.key_id = matching.key_id
             AND blocked.pipeline = matching.pipeline AND blocked.sink = matching.sink
             AND blocked.state = 'blocked' AND blocked.sequence > matching.first
       )), 0)::bigint AS behind
FROM (
    SELECT pipeline, sink, key_id, count(*) AS letters, min(sequence) AS first
    FROM meant
    GROUP BY pipeline, sink, key_id
) AS matching
