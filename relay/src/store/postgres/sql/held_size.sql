-- Ten events at most of each key. Lengths come from the rows' headers: nothing large is read.
SELECT coalesce(avg(bytes), 0)::bigint AS bytes
FROM unnest($3::bytea[]) AS sampled (key_id)
CROSS JOIN LATERAL (
    SELECT coalesce(octet_length(payload), 0) + coalesce(octet_length(messages), 0)
           + octet_length(headers) + octet_length(attributes) AS bytes
    FROM held
    WHERE held.key_id = sampled.key_id AND held.pipeline = $1 AND held.sink = $2
    LIMIT 10
) AS of_key
