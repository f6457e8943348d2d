-- What this request revived before and what died again since is not taken a second time. Where the plugins are
-- to run again, what they had made is forgotten.
UPDATE relay_held
SET state = 'blocked', attempts = 0, dead_at = NULL, request = ?3,
    rerun = iif(?9, ?3, rerun),
    messages = iif(?9, NULL, messages),
    delivered_slots = iif(?9, ?11, delivered_slots),
    payload = coalesce(?10, payload)
WHERE rowid IN (
    SELECT rowid
    FROM relay_held
    WHERE pipeline = ?1 AND sink = ?2 AND dead_at IS NOT NULL AND request IS NOT ?3
      AND (?4 IS NULL OR event_id = ?4)
      AND (?5 IS NULL OR aggregate_id = ?5)
      AND (?6 IS NULL OR code = ?6)
      AND (?7 IS NULL OR dead_at < ?7)
    ORDER BY sequence, event_id
    LIMIT ?8
)
RETURNING key_id
