-- Say that these rollouts are in hand. $1: deployment ids, $2: for each the touch that was ours last; null takes it from whoever has it.
-- Gives back the touches that count now; what is missing has ended or was taken. Waits for nobody: what is locked is touched next time.
WITH held AS (
    SELECT deployment_id, todo.touched_at
    FROM dag.watch_todo AS todo JOIN unnest($1::uuid[], $2::timestamptz[]) AS ours (deployment_id, touched_at) USING (deployment_id)
    WHERE ours.touched_at IS NULL OR ours.touched_at = todo.touched_at
), free AS (
    SELECT todo.deployment_id FROM dag.watch_todo AS todo JOIN held USING (deployment_id, touched_at)
    FOR UPDATE OF todo SKIP LOCKED
), touched AS (
    UPDATE dag.watch_todo AS todo SET touched_at = clock_timestamp() FROM free
    WHERE todo.deployment_id = free.deployment_id
    RETURNING todo.deployment_id, todo.touched_at
)
SELECT held.deployment_id::text, coalesce(touched.touched_at, held.touched_at) AS touched_at
FROM held LEFT JOIN touched USING (deployment_id)
