-- Behind UPDATE or DELETE: the letters that a request means. What it revived before and what died again since is
-- not taken a second time.
WHERE rowid IN (
    SELECT rowid
    FROM relay_held
    WHERE pipeline = ?1 AND sink = ?2 AND shard = ?9 AND dead_at IS NOT NULL AND request IS NOT ?3
      AND (?4 IS NULL OR event_id = ?4)
      AND (?5 IS NULL OR aggregate_id = ?5)
      AND (?6 IS NULL OR code = ?6)
      AND (?7 IS NULL OR dead_at < ?7)
    ORDER BY sequence, event_id
    LIMIT ?8
)
RETURNING key_id
