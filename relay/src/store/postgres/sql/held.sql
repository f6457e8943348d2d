SELECT pipeline, sink, shard,
       coalesce((
           SELECT max(shards)
           FROM lane AS lane
           WHERE lane.pipeline = held.pipeline AND lane.sink = held.sink
       ), 1) AS shards,
       event_id, sequence, aggregate_type, aggregate_id, event_type, content_type, payload,
       headers, attributes, occurred_at, attempts, code, detail, delivered_slots, generation, rerun,
       (extract(epoch FROM next_at) * 1000000)::bigint AS next_at,
       (extract(epoch FROM held_at) * 1000000)::bigint AS held_at,
       (extract(epoch FROM dead_at) * 1000000)::bigint AS dead_at,
       (
           SELECT count(*)
           FROM held AS ahead
           WHERE ahead.pipeline = held.pipeline AND ahead.sink = held.sink AND ahead.key_id = held.key_id
             AND (ahead.sequence, ahead.event_id) < (held.sequence, held.event_id)
       ) AS ahead,
       (
           SELECT waited_for.event_id
           FROM held AS waited_for
           WHERE waited_for.pipeline = held.pipeline AND waited_for.sink = held.sink AND waited_for.key_id = held.key_id
             AND (waited_for.sequence, waited_for.event_id) < (held.sequence, held.event_id)
             AND waited_for.state <> 'blocked'
           ORDER BY waited_for.state = 'parked' DESC, waited_for.sequence, waited_for.event_id
           LIMIT 1
       ) AS behind
FROM held
WHERE event_id = $1
ORDER BY pipeline, sink
