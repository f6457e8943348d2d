SELECT DISTINCT ON (pipeline, sink)
       pipeline, sink, event_id, count(*) OVER (PARTITION BY pipeline, sink) AS events
FROM held
WHERE key_id = $1
ORDER BY pipeline, sink, sequence, event_id
