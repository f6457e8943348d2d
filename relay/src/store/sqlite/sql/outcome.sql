SELECT relay_request.pipeline, relay_request.sink, letters, done, done_at IS NULL AS open,
       (
           SELECT count(*)
           FROM relay_held
           WHERE relay_held.request = relay_request.id AND relay_held.dead_at IS NULL
       ) AS waiting
FROM relay_request
WHERE id IN (SELECT value FROM json_each(?1))
ORDER BY id
