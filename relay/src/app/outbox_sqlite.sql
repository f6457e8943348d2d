CREATE TABLE IF NOT EXISTS {table} (
    -- AUTOINCREMENT: a number is never given twice, also after rows were deleted.
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    aggregatetype TEXT NOT NULL,
    aggregateid   TEXT NOT NULL,
    type          TEXT NOT NULL,
    payload       BLOB,
    headers       TEXT,
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
