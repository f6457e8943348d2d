SELECT count(*) AS others
FROM relay_member
WHERE pipeline = ?1 AND sink = ?2 AND process <> ?3 AND until > CAST(unixepoch('subsec') * 1000000 AS INTEGER)
