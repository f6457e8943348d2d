-- SQLite takes the bare column from the row that has the minimum.
SELECT pipeline, sink, shard,
       coalesce((
           SELECT max(shards)
           FROM relay_lane AS lane
           WHERE lane.pipeline = held.pipeline AND lane.sink = held.sink
       ), 1) AS shards,
       event_id, count(*) AS events, min(sequence)
FROM relay_held AS held
WHERE key_id = ?1
GROUP BY pipeline, sink
ORDER BY pipeline, sink
