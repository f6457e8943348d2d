SELECT max(0, min(next_at) - CAST(unixepoch('subsec') * 1000000 AS INTEGER)) AS wait
FROM relay_held
WHERE pipeline = ?1 AND sink = ?2 AND state = 'parked'
HAVING min(next_at) IS NOT NULL
