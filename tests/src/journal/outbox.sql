CREATE TABLE outbox (
    seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    aggregatetype text NOT NULL,
    aggregateid   text NOT NULL,
    type          text NOT NULL,
    payload       text,
    headers       jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    txid          bigint NOT NULL DEFAULT txid_current()
);
CREATE INDEX outbox_txid ON outbox (txid);
-- What an application would change in the same transaction; its row's lock orders the writers of a key.
CREATE TABLE aggregate (key text PRIMARY KEY, version bigint NOT NULL);
