-- Behind UPDATE or DELETE: the letters that a request means. What it revived before and what died again since is
-- not taken a second time.
WHERE ctid = ANY (ARRAY (
    SELECT ctid
    FROM held
    WHERE pipeline = $1 AND sink = $2 AND shard = $9 AND dead_at IS NOT NULL AND request IS DISTINCT FROM $3
      AND ($4::text IS NULL OR event_id = $4)
      AND ($5::text IS NULL OR aggregate_id = $5)
      AND ($6::text IS NULL OR code = $6)
      AND ($7::bigint IS NULL OR (extract(epoch FROM dead_at) * 1000000)::bigint < $7)
    ORDER BY sequence, event_id
    LIMIT $8
))
RETURNING key_id
