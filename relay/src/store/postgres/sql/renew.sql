-- The time when the row is ours, not when the statement began: it may have waited for a settlement.
UPDATE lane
SET leased_until = clock_timestamp() + $4 * interval '1 microsecond',
    state = $5
WHERE pipeline = $1 AND sink = $2 AND shard = $6 AND term = $3
