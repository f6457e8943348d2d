SELECT max(0, next_at - CAST(unixepoch('subsec') * 1000000 AS INTEGER)) AS wait
FROM relay_held
WHERE pipeline = ?1 AND sink = ?2 AND shard = ?3 AND next_at IS NOT NULL
ORDER BY next_at, sequence
LIMIT 1
