SELECT code, min(detail) AS detail, count(*) AS letters
FROM held
WHERE request = ANY ($1) AND dead_at IS NOT NULL
GROUP BY code
ORDER BY count(*) DESC, code
