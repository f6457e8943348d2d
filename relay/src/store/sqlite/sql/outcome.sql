SELECT request.pipeline, request.sink, request.shard, coalesce(lane.shards, 1) AS shards, letters, done, done_at IS NULL AS open,
       (
           SELECT count(*)
           FROM relay_held
           WHERE relay_held.request = request.id AND relay_held.dead_at IS NULL
       ) AS waiting
FROM relay_request AS request
LEFT JOIN relay_lane AS lane
    ON lane.pipeline = request.pipeline AND lane.sink = request.sink AND lane.shard = request.shard
WHERE request.id IN (SELECT value FROM json_each(?1))
ORDER BY request.id
