-- The lowest blocked event of each key moves up, unless one of its key is parked or, where dead letters block
-- (?4 false), a dead letter stands before it. Three index probes a key, however many events wait in it.
UPDATE relay_held
SET state = 'parked', next_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE rowid IN (
    SELECT lowest.rowid
    FROM (SELECT unhex(value) AS key_id FROM json_each(?3)) AS touched
    CROSS JOIN relay_held AS lowest ON lowest.rowid = (
        SELECT blocked.rowid
        FROM relay_held AS blocked
        WHERE blocked.pipeline = ?1 AND blocked.sink = ?2 AND blocked.key_id = touched.key_id
          AND blocked.state = 'blocked'
        ORDER BY blocked.sequence, blocked.event_id
        LIMIT 1
    )
    WHERE NOT EXISTS (
        SELECT 1 FROM relay_held AS parked
        WHERE parked.pipeline = ?1 AND parked.sink = ?2 AND parked.key_id = touched.key_id
          AND parked.state = 'parked'
    )
    AND (?4 OR NOT EXISTS (
        SELECT 1 FROM relay_held AS dead
        WHERE dead.pipeline = ?1 AND dead.sink = ?2 AND dead.key_id = touched.key_id
          AND dead.state = 'dead'
          AND (dead.sequence, dead.event_id) < (lowest.sequence, lowest.event_id)
    ))
)
