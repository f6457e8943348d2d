DELETE FROM relay_held
WHERE pipeline = ?1 AND sink = ?2 AND event_id IN (SELECT value FROM json_each(?3))
