-- Version 1 of the relay's tables. May be run again: it leaves what is there.

CREATE TABLE IF NOT EXISTS schema_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version integer NOT NULL
);

-- One row a lane, updated up to ten times a second: room in its page keeps those updates away from the index.
CREATE TABLE IF NOT EXISTS lane (
    pipeline text NOT NULL,
    sink text NOT NULL,
    shard bigint NOT NULL,
    shards bigint NOT NULL,
    owner text NOT NULL,
    process text NOT NULL,
    leased_until timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'starting',
    term bigint NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    position text,
    generation text NOT NULL DEFAULT '{"v":1,"items":[]}',
    delivered bigint NOT NULL DEFAULT 0,
    discarded bigint NOT NULL DEFAULT 0,
    settled_at timestamptz,
    PRIMARY KEY (pipeline, sink, shard)
) WITH (fillfactor = 20);

CREATE TABLE IF NOT EXISTS held (
    pipeline text NOT NULL,
    sink text NOT NULL,
    shard bigint NOT NULL,
    event_id text NOT NULL,
    sequence bigint NOT NULL,
    key_id bytea NOT NULL CHECK (length(key_id) = 16),
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    event_type text NOT NULL,
    content_type text,
    payload bytea,
    headers text NOT NULL,
    attributes text NOT NULL,
    occurred_at bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('parked', 'blocked', 'dead')),
    attempts bigint NOT NULL,
    next_at timestamptz,
    code text,
    detail text,
    messages text,
    delivered_slots text NOT NULL,
    generation text NOT NULL,
    held_at timestamptz NOT NULL,
    dead_at timestamptz,
    request bigint,
    rerun bigint,
    PRIMARY KEY (event_id, pipeline, sink),
    CHECK ((state = 'parked') = (next_at IS NOT NULL)),
    CHECK ((state = 'dead') = (dead_at IS NOT NULL))
);

-- Every statement has one index that fits it and none that seems to. A planner with old statistics would take any
-- index that begins with pipeline and sink, and read a whole lane for each key. So these begin with what is most
-- selective, or are partial with a condition that only their own statement states.

-- The first event of a key in each state: what promotion asks for.
CREATE INDEX IF NOT EXISTS held_key ON held (key_id, pipeline, sink, state, sequence, event_id);
-- What is due.
CREATE INDEX IF NOT EXISTS held_due ON held (pipeline, sink, shard, next_at, sequence) WHERE next_at IS NOT NULL;
-- What a request gave another chance.
CREATE INDEX IF NOT EXISTS held_request ON held (request) WHERE request IS NOT NULL;
-- Dead letters in the order in which they are listed.
CREATE INDEX IF NOT EXISTS held_dead ON held (pipeline, sequence, sink, event_id) WHERE dead_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text NOT NULL,
    sink text NOT NULL,
    shard bigint NOT NULL,
    event_id text,
    aggregate_id text,
    code text,
    dead_before bigint,
    action text NOT NULL CHECK (action IN ('retry', 'rerun', 'drop')),
    payload bytea,
    requested_at timestamptz NOT NULL,
    letters bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    done_at timestamptz
);

CREATE INDEX IF NOT EXISTS request_open ON request (pipeline, sink, shard, id) WHERE done_at IS NULL;

-- Which relays share the lanes of a sink that are parts of one.
CREATE TABLE IF NOT EXISTS member (
    pipeline text NOT NULL,
    sink text NOT NULL,
    process text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (pipeline, sink, process)
);

INSERT INTO schema_version (version) VALUES (1) ON CONFLICT (only_row) DO NOTHING;
