-- No row comes back where another owner's lease runs.
INSERT INTO lane (pipeline, sink, shard, shards, owner, process, leased_until, term)
VALUES ($1, $2, $7, $8, $3, $4, statement_timestamp() + $5 * interval '1 microsecond', 1)
ON CONFLICT (pipeline, sink, shard) DO UPDATE
    SET owner = excluded.owner,
        process = excluded.process,
        leased_until = clock_timestamp() + $5 * interval '1 microsecond',
        term = lane.term + 1
    WHERE lane.leased_until <= statement_timestamp()
       OR lane.process = excluded.process
       OR lane.term = $6
RETURNING term, version, position, generation
