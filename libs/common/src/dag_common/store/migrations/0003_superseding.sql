-- What the to-do list of pushes needs to know to let a newer deployment of an environment supersede those that wait.
-- Entries that code of before this step makes have neither column: they are never superseded and supersede nothing.
ALTER TABLE dag.push_todo ADD COLUMN environment text, ADD COLUMN supersede boolean;

CREATE OR REPLACE FUNCTION dag.keep_todo(event dag.events, lane jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    deployment uuid := replace(event.stream, 'deployment-', '')::uuid;
BEGIN
    CASE event.type
    WHEN 'deployment.requested' THEN
        INSERT INTO dag.push_todo (deployment_id, position, repository, branch, environment, supersede) VALUES (
            deployment, event.position, lane ->> 'repository', lane ->> 'branch',
            lane ->> 'environment', (lane ->> 'supersede')::boolean
        );
    WHEN 'chart.pushed' THEN
        DELETE FROM dag.push_todo WHERE deployment_id = deployment;
        INSERT INTO dag.watch_todo VALUES (deployment, event.position, clock_timestamp());
    WHEN 'deployment.succeeded', 'deployment.failed' THEN
        DELETE FROM dag.push_todo WHERE deployment_id = deployment;
        DELETE FROM dag.watch_todo WHERE deployment_id = deployment;
    ELSE
        NULL;
    END CASE;
END
$$;
