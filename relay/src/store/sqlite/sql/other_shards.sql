SELECT shards
FROM relay_lane
WHERE pipeline = ?1 AND sink = ?2 AND shards <> ?3
LIMIT 1
