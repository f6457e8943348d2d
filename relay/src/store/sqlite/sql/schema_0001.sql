-- Version 1 of the relay's tables, in the application's database. Times are microseconds since the Unix epoch.

CREATE TABLE relay_schema_version (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE relay_lane (
    pipeline TEXT NOT NULL,
    sink TEXT NOT NULL,
    shard INTEGER NOT NULL,
    shards INTEGER NOT NULL,
    owner TEXT NOT NULL,
    process TEXT NOT NULL,
    leased_until INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'starting',
    term INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    position TEXT,
    generation TEXT NOT NULL DEFAULT '{"v":1,"items":[]}',
    delivered INTEGER NOT NULL DEFAULT 0,
    discarded INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER,
    PRIMARY KEY (pipeline, sink, shard)
) STRICT, WITHOUT ROWID;

CREATE TABLE relay_held (
    pipeline TEXT NOT NULL,
    sink TEXT NOT NULL,
    shard INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    key_id BLOB NOT NULL CHECK (length(key_id) = 16),
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    content_type TEXT,
    payload BLOB,
    headers TEXT NOT NULL,
    attributes TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('parked', 'blocked', 'dead')),
    attempts INTEGER NOT NULL,
    next_at INTEGER,
    code TEXT,
    detail TEXT,
    messages TEXT,
    delivered_slots TEXT NOT NULL,
    generation TEXT NOT NULL,
    held_at INTEGER NOT NULL,
    dead_at INTEGER,
    request INTEGER,
    rerun INTEGER,
    PRIMARY KEY (event_id, pipeline, sink),
    CHECK ((state = 'parked') = (next_at IS NOT NULL)),
    CHECK ((state = 'dead') = (dead_at IS NOT NULL))
) STRICT;

-- Every statement has one index that fits it and none that seems to. A planner with old statistics would take any
-- index that begins with pipeline and sink, and read a whole lane for each key. So these begin with what is most
-- selective, or are partial with a condition that only their own statement states.

-- The first event of a key in each state: what promotion asks for.
CREATE INDEX relay_held_key ON relay_held (key_id, pipeline, sink, state, sequence, event_id);
-- What is due.
CREATE INDEX relay_held_due ON relay_held (pipeline, sink, shard, next_at, sequence) WHERE next_at IS NOT NULL;
-- What a request gave another chance.
CREATE INDEX relay_held_request ON relay_held (request) WHERE request IS NOT NULL;
-- Dead letters in the order in which they are listed.
CREATE INDEX relay_held_dead ON relay_held (pipeline, sequence, sink, event_id) WHERE dead_at IS NOT NULL;

CREATE TABLE relay_request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline TEXT NOT NULL,
    sink TEXT NOT NULL,
    shard INTEGER NOT NULL,
    event_id TEXT,
    aggregate_id TEXT,
    code TEXT,
    dead_before INTEGER,
    action TEXT NOT NULL CHECK (action IN ('retry', 'rerun', 'drop')),
    payload BLOB,
    requested_at INTEGER NOT NULL,
    letters INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER
) STRICT;

CREATE INDEX relay_request_open ON relay_request (pipeline, sink, shard, id) WHERE done_at IS NULL;

-- Which relays share the lanes of a sink that are parts of one.
CREATE TABLE relay_member (
    pipeline TEXT NOT NULL,
    sink TEXT NOT NULL,
    process TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (pipeline, sink, process)
) STRICT, WITHOUT ROWID;

INSERT INTO relay_schema_version (only_row, version) VALUES (1, 1);
