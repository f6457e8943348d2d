-- Those that are due longest first, so that one that keeps failing can't keep others from their turn; the first of them
-- whatever its size. The sizes are known without the values: those of rows that are left out are never read.
SELECT event_id, sequence, key_id, aggregate_type, aggregate_id, event_type, content_type, payload, headers,
       attributes, occurred_at, attempts, messages, delivered_slots, rerun
FROM (
    SELECT *,
           row_number() OVER (ORDER BY next_at, sequence) AS place,
           sum(octet_length(headers) + coalesce(octet_length(payload), 0) + coalesce(octet_length(messages), 0))
               OVER (ORDER BY next_at, sequence ROWS UNBOUNDED PRECEDING) AS bytes_so_far
    FROM (
        SELECT *
        FROM held
        WHERE pipeline = $1 AND sink = $2 AND shard = $4 AND next_at <= statement_timestamp()
        ORDER BY next_at, sequence
        LIMIT $3
    ) AS longest
) AS due
WHERE bytes_so_far <= $5 OR place = 1
ORDER BY sequence, event_id
