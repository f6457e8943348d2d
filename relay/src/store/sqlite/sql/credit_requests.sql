-- A request that gave an event another chance learns that it was worth it.
UPDATE relay_request
SET done = done + (
    SELECT count(*)
    FROM relay_held
    WHERE relay_held.request = relay_request.id AND pipeline = ?1 AND sink = ?2
      AND event_id IN (SELECT value FROM json_each(?3))
)
WHERE id IN (
    SELECT request
    FROM relay_held
    WHERE request IS NOT NULL AND pipeline = ?1 AND sink = ?2 AND event_id IN (SELECT value FROM json_each(?3))
)
