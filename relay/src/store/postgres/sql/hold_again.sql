-- Only where its plugins ran for this attempt (new messages, or none stored) did this generation see the event.
UPDATE held
SET state = retried.state,
    attempts = retried.attempts,
    next_at = statement_timestamp() + retried.wait * interval '1 microsecond',
    dead_at = CASE retried.state WHEN 'dead' THEN statement_timestamp() END,
    code = retried.code,
    detail = retried.detail,
    messages = coalesce(retried.messages, held.messages),
    delivered_slots = retried.delivered_slots,
    generation = CASE
        WHEN retried.messages IS NULL AND held.messages IS NOT NULL THEN held.generation
        ELSE $3
    END
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[])
    AS retried (event_id, state, wait, attempts, code, detail, messages, delivered_slots)
CROSS JOIN LATERAL (
    SELECT one.ctid
    FROM held AS one
    WHERE one.event_id = retried.event_id AND one.pipeline = $1 AND one.sink = $2
    LIMIT 1
) AS found
WHERE held.ctid = found.ctid
