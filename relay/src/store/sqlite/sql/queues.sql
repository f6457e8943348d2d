-- SQLite takes the bare column from the row that has the minimum.
SELECT pipeline, sink, event_id, count(*) AS events, min(sequence)
FROM relay_held
WHERE key_id = ?1
GROUP BY pipeline, sink
ORDER BY pipeline, sink
