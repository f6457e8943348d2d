-- Only where its plugins ran for this attempt (new messages, or none stored) did this generation see the event.
UPDATE relay_held
SET state = retried.state,
    attempts = retried.attempts,
    next_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + retried.wait,
    dead_at = CASE retried.state WHEN 'dead' THEN CAST(unixepoch('subsec') * 1000000 AS INTEGER) END,
    code = retried.code,
    detail = retried.detail,
    messages = coalesce(retried.messages, relay_held.messages),
    delivered_slots = retried.delivered_slots,
    generation = CASE
        WHEN retried.messages IS NULL AND relay_held.messages IS NOT NULL THEN relay_held.generation
        ELSE ?3
    END
FROM (
    SELECT value ->> 'event_id' AS event_id,
           value ->> 'state' AS state,
           value ->> 'wait' AS wait,
           value ->> 'attempts' AS attempts,
           value ->> 'code' AS code,
           value ->> 'detail' AS detail,
           value ->> 'messages' AS messages,
           value ->> 'delivered' AS delivered_slots
    FROM json_each(?4)
) AS retried
WHERE relay_held.pipeline = ?1 AND relay_held.sink = ?2 AND relay_held.event_id = retried.event_id
