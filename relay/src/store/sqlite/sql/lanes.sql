SELECT lane.pipeline, lane.sink, lane.shard, lane.shards, owner, term,
       leased_until - CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS lease_left,
       lane.state, position, generation, delivered, discarded, settled_at,
       coalesce(counts.parked, 0) AS parked,
       coalesce(counts.dead, 0) AS dead
FROM relay_lane AS lane
LEFT JOIN (
    SELECT pipeline, sink, shard,
           count(*) FILTER (WHERE state <> 'dead') AS parked,
           count(*) FILTER (WHERE state = 'dead') AS dead
    FROM relay_held
    GROUP BY pipeline, sink, shard
) AS counts ON counts.pipeline = lane.pipeline AND counts.sink = lane.sink AND counts.shard = lane.shard
ORDER BY lane.pipeline, lane.sink, lane.shard
