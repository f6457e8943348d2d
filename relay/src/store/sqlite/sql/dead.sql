SELECT pipeline, sink, event_id, sequence, aggregate_type, aggregate_id, event_type, content_type, payload,
       headers, attributes, occurred_at, attempts, code, detail, messages, generation, dead_at,
       (
           SELECT count(*)
           FROM relay_held AS blocked
           WHERE blocked.pipeline = letter.pipeline AND blocked.sink = letter.sink
             AND blocked.key_id = letter.key_id AND blocked.state = 'blocked'
             AND (blocked.sequence, blocked.event_id) > (letter.sequence, letter.event_id)
       ) AS blocked
FROM meant AS letter
ORDER BY letter.pipeline, letter.sequence, letter.sink, letter.event_id
LIMIT ?7 OFFSET ?8
