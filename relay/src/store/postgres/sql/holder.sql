SELECT owner, process, term,
       (extract(epoch FROM leased_until - statement_timestamp()) * 1000000)::bigint AS lease_left
FROM lane
WHERE pipeline = $1 AND sink = $2 AND shard = $3
