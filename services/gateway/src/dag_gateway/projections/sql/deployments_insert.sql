-- A deployment heard of for the first time; again changes nothing. $1: id, $2..$6: app, environment, version, branch, commit,
-- $7: who, $8: status, $9: message, $10: stream version, $11: position of the request, $12: requested at, $13: updated at.
INSERT INTO dag.deployments
    (deployment_id, app, environment, version, branch, "commit", requested_by, status, message,
     stream_version, requested_position, requested_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (deployment_id) DO NOTHING
