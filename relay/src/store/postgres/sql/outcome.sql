SELECT request.pipeline, request.sink, request.shard, coalesce(lane.shards, 1) AS shards,
       request.letters, request.done,
       (request.done_at IS NULL)::integer::bigint AS open,
       (
           SELECT count(*)
           FROM held
           WHERE held.request = request.id AND held.dead_at IS NULL
       ) AS waiting
FROM request
LEFT JOIN lane
    ON lane.pipeline = request.pipeline AND lane.sink = request.sink AND lane.shard = request.shard
WHERE request.id = ANY ($1)
ORDER BY request.id
