-- The list of deployments, for people. Derived: it can be emptied and rebuilt from the log at any time.
CREATE TABLE dag.deployments (
    deployment_id uuid CONSTRAINT deployments_id PRIMARY KEY,
    app text NOT NULL,
    environment text NOT NULL,
    version text NOT NULL,
    branch text NOT NULL,
    "commit" text NOT NULL,
    requested_by text NOT NULL,
    status text NOT NULL,
    message text NOT NULL,
    stream_version integer NOT NULL,
    requested_position bigint NOT NULL,
    requested_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX deployments_newest ON dag.deployments (requested_position DESC);
CREATE INDEX deployments_of_environment ON dag.deployments (app, environment, requested_position DESC);
CREATE INDEX deployments_by_status ON dag.deployments (status, requested_position DESC);
COMMENT ON TABLE dag.deployments IS 'Written only by the gateway''s deployments projection; rebuilt from the log, never decided from.';

GRANT SELECT, INSERT, UPDATE, DELETE ON dag.deployments TO dag_service;
