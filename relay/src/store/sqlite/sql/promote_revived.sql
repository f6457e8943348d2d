-- The events of request ?3 that are the first of their key now, dead letters aside.
UPDATE relay_held
SET state = 'parked', next_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE rowid IN (
    SELECT held.rowid
    FROM relay_held AS held
    WHERE held.pipeline = ?1 AND held.sink = ?2 AND held.state = 'blocked' AND held.request = ?3
      AND NOT EXISTS (
          SELECT 1 FROM relay_held AS parked
          WHERE parked.pipeline = ?1 AND parked.sink = ?2 AND parked.key_id = held.key_id
            AND parked.state = 'parked'
      )
      AND NOT EXISTS (
          SELECT 1 FROM relay_held AS earlier
          WHERE earlier.pipeline = ?1 AND earlier.sink = ?2 AND earlier.key_id = held.key_id
            AND earlier.state = 'blocked'
            AND (earlier.sequence, earlier.event_id) < (held.sequence, held.event_id)
      )
)
