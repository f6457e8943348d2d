UPDATE relay_lane
SET version = version + 1,
    position = coalesce(?5, position),
    generation = ?6,
    delivered = delivered + ?7,
    discarded = discarded + ?8,
    settled_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER)
WHERE pipeline = ?1 AND sink = ?2 AND shard = ?9 AND term = ?3 AND version = ?4
