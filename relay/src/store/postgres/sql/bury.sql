-- What is blocked behind the first dead letter of its key becomes a dead letter too. LIMIT and OFFSET keep the planner
-- from turning the probes into joins over the lane.
UPDATE held
SET state = 'dead', dead_at = statement_timestamp(), code = $4, detail = $5
WHERE ctid = ANY (ARRAY (
    SELECT blocked.ctid
    FROM unnest($3::bytea[]) AS touched (key_id)
    CROSS JOIN LATERAL (
        SELECT dead.sequence, dead.event_id
        FROM held AS dead
        WHERE dead.key_id = touched.key_id AND dead.pipeline = $1 AND dead.sink = $2 AND dead.state = 'dead'
        ORDER BY dead.sequence, dead.event_id
        LIMIT 1
    ) AS first
    CROSS JOIN LATERAL (
        SELECT behind.ctid
        FROM held AS behind
        WHERE behind.key_id = touched.key_id AND behind.pipeline = $1 AND behind.sink = $2
          AND behind.state = 'blocked'
          AND (behind.sequence, behind.event_id) > (first.sequence, first.event_id)
        OFFSET 0
    ) AS blocked
))
