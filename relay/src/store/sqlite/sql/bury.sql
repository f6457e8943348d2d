-- What is blocked behind the first dead letter of its key becomes a dead letter too.
UPDATE relay_held
SET state = 'dead', dead_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER), code = ?4, detail = ?5
WHERE rowid IN (
    SELECT blocked.rowid
    FROM (SELECT unhex(value) AS key_id FROM json_each(?3)) AS touched
    CROSS JOIN relay_held AS first ON first.rowid = (
        SELECT dead.rowid
        FROM relay_held AS dead
        WHERE dead.pipeline = ?1 AND dead.sink = ?2 AND dead.key_id = touched.key_id AND dead.state = 'dead'
        ORDER BY dead.sequence, dead.event_id
        LIMIT 1
    )
    CROSS JOIN relay_held AS blocked ON blocked.pipeline = ?1 AND blocked.sink = ?2
        AND blocked.key_id = touched.key_id AND blocked.state = 'blocked'
        AND (blocked.sequence, blocked.event_id) > (first.sequence, first.event_id)
)
