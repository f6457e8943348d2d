SELECT greatest(0, (extract(epoch FROM next_at - statement_timestamp()) * 1000000)::bigint) AS wait
FROM held
WHERE pipeline = $1 AND sink = $2 AND shard = $3 AND next_at IS NOT NULL
ORDER BY next_at, sequence
LIMIT 1
