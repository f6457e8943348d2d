-- Those that are due longest first, so that one that keeps failing can't keep others from their turn.
SELECT event_id, sequence, key_id, aggregate_type, aggregate_id, event_type, content_type, payload, headers,
       attributes, occurred_at, attempts, messages, delivered_slots, rerun
FROM (
    SELECT *
    FROM held
    WHERE pipeline = $1 AND sink = $2 AND shard = $4 AND next_at <= statement_timestamp()
    ORDER BY next_at, sequence
    LIMIT $3
) AS due
ORDER BY sequence, event_id
