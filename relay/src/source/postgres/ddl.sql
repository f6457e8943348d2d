-- The outbox. The application inserts into it in the transaction that changes its own tables, after it has
-- locked what the event is about (a row lock, or an update with a version check).
CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE IF NOT EXISTS {schema}.{table} (
    -- Order within a transaction, and between transactions that wait for each other.
    seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The event's identity: sinks and receivers recognise repeats by it.
    id            uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    aggregatetype text NOT NULL,
    -- The key: events of one aggregate are delivered in order.
    aggregateid   text NOT NULL,
    type          text NOT NULL,
    -- NULL is a tombstone. text costs a third less to read than jsonb; json, jsonb and bytea work too.
    payload       text,
    -- An object of strings, for example {"traceparent": "00-…"}.
    headers       jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- The writing transaction: what the relay reads by. Never set it by hand.
    txid          bigint NOT NULL DEFAULT txid_current()
);

CREATE INDEX IF NOT EXISTS {txid_index} ON {schema}.{table} (txid);

-- The table only grows until it is cleaned, so let autovacuum look at it by inserts and keep its statistics.
ALTER TABLE {schema}.{table} SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
