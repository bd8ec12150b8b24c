-- Rollouts nobody touched for a while; touches them, so that one sweeper wakes each. $1: seconds, $2: how many at most.
UPDATE dag.watch_todo SET touched_at = clock_timestamp()
WHERE deployment_id IN (
    SELECT deployment_id FROM dag.watch_todo
    WHERE touched_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING deployment_id::text, position
