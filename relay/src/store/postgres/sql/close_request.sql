UPDATE request
SET letters = letters + $2,
    done_at = CASE WHEN $3 THEN statement_timestamp() END
WHERE id = $1
