-- Say that these rollouts are in hand. $1: deployment ids.
UPDATE dag.watch_todo SET touched_at = clock_timestamp() WHERE deployment_id = ANY ($1::uuid[])
