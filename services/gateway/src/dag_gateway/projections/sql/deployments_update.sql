-- How a deployment stands now; older news change nothing, and nothing follows an end.
-- $1: id, $2: status (null: as it was), $3: message, $4: stream version, $5: when.
UPDATE dag.deployments SET status = coalesce($2, status), message = $3, stream_version = $4, updated_at = $5
WHERE deployment_id = $1 AND stream_version < $4 AND status NOT IN ('deployed', 'failed')
