-- Every rollout that is still to be watched, in the order of positions.
SELECT deployment_id::text, position FROM dag.watch_todo ORDER BY position
