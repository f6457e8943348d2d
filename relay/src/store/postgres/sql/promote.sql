-- The lowest blocked event of each key moves up, unless one of its key is parked or, where dead letters block
-- ($4 false), a dead letter stands before it. Three index probes a key, however many events wait in it.
WITH head AS (
    SELECT lowest.event_id
    FROM unnest($3::bytea[]) AS touched (key_id)
    CROSS JOIN LATERAL (
        SELECT held.event_id, held.sequence
        FROM held
        WHERE held.pipeline = $1 AND held.sink = $2 AND held.key_id = touched.key_id
          AND held.state = 'blocked'
        ORDER BY held.sequence, held.event_id
        LIMIT 1
    ) AS lowest
    WHERE NOT EXISTS (
        SELECT FROM held AS parked
        WHERE parked.pipeline = $1 AND parked.sink = $2 AND parked.key_id = touched.key_id
          AND parked.state = 'parked'
    )
    AND ($4 OR NOT EXISTS (
        SELECT FROM held AS dead
        WHERE dead.pipeline = $1 AND dead.sink = $2 AND dead.key_id = touched.key_id
          AND dead.state = 'dead'
          AND (dead.sequence, dead.event_id) < (lowest.sequence, lowest.event_id)
    ))
)
UPDATE held
SET state = 'parked', next_at = statement_timestamp()
FROM head
WHERE held.pipeline = $1 AND held.sink = $2 AND held.event_id = head.event_id
