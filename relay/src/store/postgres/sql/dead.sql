SELECT pipeline, sink, event_id, sequence, aggregate_type, aggregate_id, event_type, content_type, payload,
       headers, attributes, occurred_at, attempts, code, detail, messages, generation,
       (extract(epoch FROM dead_at) * 1000000)::bigint AS dead_at,
       (
           SELECT count(*)
           FROM held AS blocked
           WHERE blocked.pipeline = held.pipeline AND blocked.sink = held.sink
             AND blocked.key_id = held.key_id AND blocked.state = 'blocked'
             AND (blocked.sequence, blocked.event_id) > (held.sequence, held.event_id)
       ) AS blocked
FROM held
WHERE dead_at IS NOT NULL
  AND ($1::text IS NULL OR pipeline = $1)
  AND ($2::text IS NULL OR sink = $2)
  AND ($3::text IS NULL OR event_id = $3)
  AND ($4::text IS NULL OR aggregate_id = $4)
  AND ($5::text IS NULL OR code = $5)
  AND ($6::bigint IS NULL OR (extract(epoch FROM dead_at) * 1000000)::bigint < $6)
ORDER BY held.pipeline, held.sequence, held.sink, held.event_id
LIMIT $7 OFFSET $8
