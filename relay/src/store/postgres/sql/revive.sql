-- What this request revived before and what died again since is not taken a second time. Where the plugins are
-- to run again, what they had made is forgotten.
UPDATE held
SET state = 'blocked', attempts = 0, dead_at = NULL, request = $3,
    rerun = CASE WHEN $9 THEN $3 ELSE rerun END,
    messages = CASE WHEN $9 THEN NULL ELSE messages END,
    delivered_slots = CASE WHEN $9 THEN $11 ELSE delivered_slots END,
    payload = coalesce($10, payload)
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM held
    WHERE pipeline = $1 AND sink = $2 AND dead_at IS NOT NULL AND request IS DISTINCT FROM $3
      AND ($4::text IS NULL OR event_id = $4)
      AND ($5::text IS NULL OR aggregate_id = $5)
      AND ($6::text IS NULL OR code = $6)
      AND ($7::bigint IS NULL OR (extract(epoch FROM dead_at) * 1000000)::bigint < $7)
    ORDER BY sequence, event_id
    LIMIT $8
))
RETURNING key_id
