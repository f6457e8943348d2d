UPDATE relay_request
SET letters = letters + ?2,
    done_at = CASE WHEN ?3 THEN CAST(unixepoch('subsec') * 1000000 AS INTEGER) END
WHERE id = ?1
