-- What waits for one IaC branch, in the order of positions. $1: repository, $2: branch, $3: how many at most.
SELECT deployment_id::text, position, repository, branch FROM dag.push_todo
WHERE repository = $1 AND branch = $2 ORDER BY position LIMIT $3
