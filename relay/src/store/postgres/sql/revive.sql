-- Where the plugins are to run again, what they had made is forgotten.
UPDATE held
SET state = 'blocked', attempts = 0, dead_at = NULL, request = $3,
    rerun = CASE WHEN $10 THEN $3 ELSE rerun END,
    messages = CASE WHEN $10 THEN NULL ELSE messages END,
    delivered_slots = CASE WHEN $10 THEN $12 ELSE delivered_slots END,
    payload = coalesce($11, payload)
