SELECT key_id,
       count(*) FILTER (WHERE state <> 'dead') AS parked,
       count(*) FILTER (WHERE state = 'dead') AS dead
FROM held
WHERE pipeline = $1 AND sink = $2 AND shard = $3
GROUP BY key_id
ORDER BY key_id
