-- Rollouts nobody touched for a while, longest first; touches them, so that one sweeper takes each.
-- $1: seconds, $2: how many at most, $3: deployment ids to leave alone.
UPDATE dag.watch_todo SET touched_at = clock_timestamp()
WHERE deployment_id IN (
    SELECT deployment_id FROM dag.watch_todo
    WHERE touched_at < clock_timestamp() - make_interval(secs => $1) AND deployment_id <> ALL ($3::uuid[])
    ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING deployment_id::text, position
