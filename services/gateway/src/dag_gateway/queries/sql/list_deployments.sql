-- Deployments, newest first, below a log position. $1: app, $2: environment, $3: status (each null: all), $4: position, $5: how many at most.
SELECT deployment_id::text AS id, status, message, app, environment, version, branch, "commit", requested_by AS "user",
       requested_at, updated_at, requested_position
FROM dag.deployments
WHERE ($1::text IS NULL OR app = $1)
  AND ($2::text IS NULL OR environment = $2)
  AND ($3::text IS NULL OR status = $3)
  AND requested_position < $4
ORDER BY requested_position DESC
LIMIT $5
