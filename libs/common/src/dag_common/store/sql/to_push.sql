-- What waits for one IaC branch, in the order of positions, and who of the same environment makes it give way;
-- since when it waits, in seconds by the database's clock.
-- $1: repository, $2: branch, $3: how many at most, $4: after this position.
-- Columns are read through to_jsonb so that this code also works on a schema that does not have them yet.
WITH lane AS (
    SELECT t.*, to_jsonb(t) ->> 'environment' AS place, (to_jsonb(t) ->> 'supersede')::boolean AS supersedes
    FROM dag.push_todo t WHERE t.repository = $1 AND t.branch = $2
), superseding AS (
    SELECT DISTINCT ON (place) place, position, deployment_id FROM lane WHERE supersedes ORDER BY place, position DESC
)
SELECT lane.deployment_id::text, lane.position, repository, branch, superseding.deployment_id::text AS superseded_by,
    (SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM dag.events e WHERE e.position = lane.position) AS waited
FROM lane LEFT JOIN superseding ON superseding.place = lane.place AND superseding.position > lane.position
WHERE lane.position > $4 ORDER BY lane.position LIMIT $3
