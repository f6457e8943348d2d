SELECT code, min(detail) AS detail, count(*) AS letters
FROM relay_held
WHERE request IN (SELECT value FROM json_each(?1)) AND dead_at IS NOT NULL
GROUP BY code
ORDER BY count(*) DESC, code
