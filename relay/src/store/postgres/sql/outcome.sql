SELECT request.pipeline, request.sink, request.letters, request.done,
       (request.done_at IS NULL)::integer::bigint AS open,
       (
           SELECT count(*)
           FROM held
           WHERE held.request = request.id AND held.dead_at IS NULL
       ) AS waiting
FROM request
WHERE id = ANY ($1)
ORDER BY id
