-- The lowest blocked event of each key moves up, unless one of its key is parked or, where dead letters block
-- ($4 false), a dead letter stands before it. Three index probes a key, however many events wait in it: LIMIT and
-- OFFSET keep the planner from turning them into joins over the lane.
UPDATE held
SET state = 'parked', next_at = statement_timestamp()
WHERE ctid = ANY (ARRAY (
    SELECT lowest.ctid
    FROM unnest($3::bytea[]) AS touched (key_id)
    CROSS JOIN LATERAL (
        SELECT blocked.ctid, blocked.sequence, blocked.event_id
        FROM held AS blocked
        WHERE blocked.key_id = touched.key_id AND blocked.pipeline = $1 AND blocked.sink = $2
          AND blocked.state = 'blocked'
        ORDER BY blocked.sequence, blocked.event_id
        LIMIT 1
    ) AS lowest
    WHERE NOT EXISTS (
        SELECT FROM held AS parked
        WHERE parked.key_id = touched.key_id AND parked.pipeline = $1 AND parked.sink = $2
          AND parked.state = 'parked'
        OFFSET 0
    )
    AND ($4 OR NOT EXISTS (
        SELECT FROM held AS dead
        WHERE dead.key_id = touched.key_id AND dead.pipeline = $1 AND dead.sink = $2
          AND dead.state = 'dead'
          AND (dead.sequence, dead.event_id) < (lowest.sequence, lowest.event_id)
        OFFSET 0
    ))
))
