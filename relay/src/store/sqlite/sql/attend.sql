INSERT INTO relay_member (pipeline, sink, process, until)
VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?4)
ON CONFLICT (pipeline, sink, process) DO UPDATE SET until = excluded.until
