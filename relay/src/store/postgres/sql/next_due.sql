SELECT greatest(0, (extract(epoch FROM min(next_at) - statement_timestamp()) * 1000000)::bigint) AS wait
FROM held
WHERE pipeline = $1 AND sink = $2 AND state = 'parked'
HAVING min(next_at) IS NOT NULL
