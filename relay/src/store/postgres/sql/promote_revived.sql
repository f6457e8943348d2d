-- The events of request $3 that are the first of their key now, dead letters aside. OFFSET keeps the planner from
-- turning the probes into joins over the lane.
UPDATE held
SET state = 'parked', next_at = statement_timestamp()
WHERE pipeline = $1 AND sink = $2 AND state = 'blocked' AND request = $3
  AND NOT EXISTS (
      SELECT FROM held AS parked
      WHERE parked.key_id = held.key_id AND parked.pipeline = $1 AND parked.sink = $2
        AND parked.state = 'parked'
      OFFSET 0
  )
  AND NOT EXISTS (
      SELECT FROM held AS earlier
      WHERE earlier.key_id = held.key_id AND earlier.pipeline = $1 AND earlier.sink = $2
        AND earlier.state = 'blocked'
        AND (earlier.sequence, earlier.event_id) < (held.sequence, held.event_id)
      OFFSET 0
  )
