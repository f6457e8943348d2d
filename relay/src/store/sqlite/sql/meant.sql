-- In front of a statement about them: the dead letters that an operator means.
WITH meant AS (
    SELECT *
    FROM relay_held
    WHERE dead_at IS NOT NULL
      AND (?1 IS NULL OR pipeline = ?1)
      AND (?2 IS NULL OR sink = ?2)
      AND (?3 IS NULL OR event_id = ?3)
      AND (?4 IS NULL OR aggregate_id = ?4)
      AND (?5 IS NULL OR code = ?5)
      AND (?6 IS NULL OR dead_at < ?6)
)
