-- Rows are found one by one and then taken by their place, so that no plan can walk through the lane. A request that
-- gave an event another chance learns that it was worth it.
WITH released AS (
    DELETE FROM held
    WHERE ctid = ANY (ARRAY (
        SELECT found.ctid
        FROM unnest($3::text[]) AS done (event_id)
        CROSS JOIN LATERAL (
            SELECT held.ctid
            FROM held
            WHERE held.event_id = done.event_id AND held.pipeline = $1 AND held.sink = $2
            LIMIT 1
        ) AS found
    ))
    RETURNING request
)
UPDATE request
SET done = request.done + counted.events
FROM (
    SELECT released.request, count(*) AS events
    FROM released
    WHERE released.request IS NOT NULL
    GROUP BY released.request
) AS counted
WHERE request.id = counted.request
