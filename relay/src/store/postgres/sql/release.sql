DELETE FROM held
USING unnest($3::text[]) AS done (event_id)
WHERE held.pipeline = $1 AND held.sink = $2 AND held.event_id = done.event_id
