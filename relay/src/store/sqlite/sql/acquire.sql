-- No row comes back where another owner's lease runs.
INSERT INTO relay_lane (pipeline, sink, shard, shards, owner, process, leased_until, term)
VALUES (?1, ?2, ?7, ?8, ?3, ?4, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?5, 1)
ON CONFLICT (pipeline, sink, shard) DO UPDATE
    SET owner = excluded.owner,
        process = excluded.process,
        leased_until = excluded.leased_until,
        term = term + 1
    WHERE leased_until <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
       OR process = excluded.process
       OR term = ?6
RETURNING term, version, position, generation
