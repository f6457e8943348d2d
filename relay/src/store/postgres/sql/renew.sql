UPDATE lane
SET leased_until = statement_timestamp() + $4 * interval '1 microsecond',
    state = $5
WHERE pipeline = $1 AND sink = $2 AND term = $3
