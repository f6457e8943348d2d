SELECT id, event_id, aggregate_id, code, dead_before, action, payload
FROM request
WHERE pipeline = $1 AND sink = $2 AND shard = $3 AND done_at IS NULL
ORDER BY id
