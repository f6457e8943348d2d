-- Where the plugins are to run again, what they had made is forgotten.
UPDATE relay_held
SET state = 'blocked', attempts = 0, dead_at = NULL, request = ?3,
    rerun = iif(?10, ?3, rerun),
    messages = iif(?10, NULL, messages),
    delivered_slots = iif(?10, ?12, delivered_slots),
    payload = coalesce(?11, payload)
