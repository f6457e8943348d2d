SELECT lane.pipeline, lane.sink, lane.shard, lane.shards, owner, term,
       (extract(epoch FROM leased_until - statement_timestamp()) * 1000000)::bigint AS lease_left,
       lane.state, position, generation, delivered, discarded,
       coalesce(counts.parked, 0) AS parked,
       coalesce(counts.dead, 0) AS dead,
       (extract(epoch FROM settled_at) * 1000000)::bigint AS settled_at
FROM lane
LEFT JOIN (
    SELECT pipeline, sink, shard,
           count(*) FILTER (WHERE state <> 'dead') AS parked,
           count(*) FILTER (WHERE state = 'dead') AS dead
    FROM held
    GROUP BY pipeline, sink, shard
) AS counts ON counts.pipeline = lane.pipeline AND counts.sink = lane.sink AND counts.shard = lane.shard
ORDER BY lane.pipeline, lane.sink, lane.shard
