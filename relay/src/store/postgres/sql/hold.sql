-- An event that is held already keeps its row: its window ran twice, and what was stored first is the truth.
INSERT INTO held (
    pipeline, sink, shard, event_id, sequence, key_id, aggregate_type, aggregate_id, event_type, content_type,
    payload, headers, attributes, occurred_at, state, attempts, next_at, code, detail, messages,
    delivered_slots, generation, held_at, dead_at
)
SELECT $1, $2, $22, event_id, sequence, key_id, aggregate_type, aggregate_id, event_type, content_type,
       payload, headers, attributes, occurred_at, state, attempts,
       statement_timestamp() + wait * interval '1 microsecond', code, detail, messages,
       delivered_slots, generation, statement_timestamp(),
       CASE state WHEN 'dead' THEN statement_timestamp() END
FROM unnest(
    $3::text[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[],
    $11::text[], $12::text[], $13::bigint[], $14::text[], $15::bigint[], $16::bigint[], $17::text[],
    $18::text[], $19::text[], $20::text[], $21::text[]
) AS entry (
    event_id, sequence, key_id, aggregate_type, aggregate_id, event_type, content_type, payload,
    headers, attributes, occurred_at, state, attempts, wait, code,
    detail, messages, delivered_slots, generation
)
ON CONFLICT (pipeline, sink, event_id) DO NOTHING
