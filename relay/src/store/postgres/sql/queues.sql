SELECT DISTINCT ON (pipeline, sink)
       pipeline, sink, shard,
       coalesce((
           SELECT max(shards)
           FROM lane
           WHERE lane.pipeline = held.pipeline AND lane.sink = held.sink
       ), 1) AS shards,
       event_id, count(*) OVER (PARTITION BY pipeline, sink) AS events
FROM held
WHERE key_id = $1
ORDER BY pipeline, sink, sequence, event_id
