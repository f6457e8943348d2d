UPDATE relay_lane
SET leased_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?4,
    state = ?5
WHERE pipeline = ?1 AND sink = ?2 AND shard = ?6 AND term = ?3
