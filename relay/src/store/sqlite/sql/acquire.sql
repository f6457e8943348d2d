INSERT INTO relay_lane (pipeline, sink, owner, term)
VALUES (?1, ?2, ?3, 1)
ON CONFLICT (pipeline, sink) DO UPDATE
    SET owner = excluded.owner, term = term + 1
RETURNING term, version, position, generation
