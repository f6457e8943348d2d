-- The outbox. The application inserts into it in the transaction that changes its own tables.
-- WAL lets the relay read while the application writes.
PRAGMA journal_mode = WAL;

CREATE TABLE IF NOT EXISTS {table} (
    -- AUTOINCREMENT: without it SQLite gives the numbers of deleted rows out again.
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The event's identity: sinks and receivers recognise repeats by it.
    id            TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    aggregatetype TEXT NOT NULL,
    -- The key: events of one aggregate are delivered in order.
    aggregateid   TEXT NOT NULL,
    type          TEXT NOT NULL,
    -- NULL is a tombstone.
    payload       BLOB,
    -- A JSON object of strings, for example {"traceparent": "00-…"}.
    headers       TEXT,
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
