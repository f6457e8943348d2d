SELECT CAST(coalesce(avg(bytes), 0) AS INTEGER) AS bytes
FROM (
    SELECT coalesce(octet_length(payload), 0) + coalesce(octet_length(messages), 0)
           + octet_length(headers) + octet_length(attributes) AS bytes
    FROM (SELECT unhex(value) AS key_id FROM json_each(?3)) AS sampled
    CROSS JOIN relay_held AS held
        ON held.key_id = sampled.key_id AND held.pipeline = ?1 AND held.sink = ?2
    LIMIT 1000
)
