SELECT owner, process, term,
       leased_until - CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS lease_left
FROM relay_lane
WHERE pipeline = ?1 AND sink = ?2 AND shard = ?3
