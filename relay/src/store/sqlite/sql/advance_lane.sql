UPDATE relay_lane
SET version = version + 1
WHERE pipeline = ?1 AND sink = ?2 AND shard = ?5 AND term = ?3 AND version = ?4
