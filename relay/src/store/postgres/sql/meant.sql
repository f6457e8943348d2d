-- In front of a statement about them: the dead letters that an operator means.
WITH meant AS (
    SELECT *
    FROM held
    WHERE dead_at IS NOT NULL
      AND ($1::text IS NULL OR pipeline = $1)
      AND ($2::text IS NULL OR sink = $2)
      AND ($3::text IS NULL OR event_id = $3)
      AND ($4::text IS NULL OR aggregate_id = $4)
      AND ($5::text IS NULL OR code = $5)
      AND ($6::bigint IS NULL OR (extract(epoch FROM dead_at) * 1000000)::bigint < $6)
)
