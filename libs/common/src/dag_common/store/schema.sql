-- The event log, the charts, the to-do lists: everything decisions stand on.

CREATE SCHEMA IF NOT EXISTS dag;

-- The role every service runs as. It can append through the function below and read; it has no right to write the log's table itself.
DO $$
BEGIN
    CREATE ROLE dag_service NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
GRANT dag_service TO CURRENT_USER;
GRANT USAGE ON SCHEMA dag TO dag_service;

-- One row: the position and hash of the newest record. Updated in the appending transaction, so positions are gapless and in commit order.
CREATE TABLE dag.log_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);
INSERT INTO dag.log_head (position, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
COMMENT ON TABLE dag.log_head IS 'Written only by dag.append_events.';

CREATE TABLE dag.events (
    position bigint CONSTRAINT events_position PRIMARY KEY,
    event_id uuid NOT NULL CONSTRAINT events_event_id UNIQUE,
    stream text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    type text NOT NULL,
    schema integer NOT NULL CHECK (schema > 0),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    service text NOT NULL,
    traceparent text NOT NULL,
    payload text NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    CONSTRAINT events_stream_version UNIQUE (stream, version),
    CONSTRAINT events_header_is_one_line_each
        CHECK (concat(stream, type, correlation_id, causation_id, service, traceparent) !~ '[\n\r]')
);
CREATE INDEX events_type_position ON dag.events (type, position);
COMMENT ON TABLE dag.events IS 'The log. Written only by dag.append_events; never changed, never deleted.';
COMMENT ON COLUMN dag.events.payload IS 'The exact text that was hashed.';

CREATE FUNCTION dag.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'correct a fact by appending a newer one';
END
$$;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE ON dag.events
    FOR EACH ROW EXECUTE FUNCTION dag.refuse_change();
CREATE TRIGGER events_are_never_truncated BEFORE TRUNCATE ON dag.events
    FOR EACH STATEMENT EXECUTE FUNCTION dag.refuse_change();

-- What is still to be pushed, per IaC repository and branch, in the order of positions.
CREATE TABLE dag.push_todo (
    deployment_id uuid CONSTRAINT push_todo_deployment PRIMARY KEY,
    position bigint NOT NULL,
    repository text NOT NULL,
    branch text NOT NULL,
    environment text,
    supersede boolean
);
CREATE INDEX push_todo_lane ON dag.push_todo (repository, branch, position);
COMMENT ON TABLE dag.push_todo IS 'Written only by dag.append_events: deployment.requested puts in, chart.pushed and an end take out.';

-- What is still to be watched; touched_at tells when a monitor last had it in hand. Touches are many: nothing indexes them, and
-- pages have room, so that they are updates in place.
CREATE TABLE dag.watch_todo (
    deployment_id uuid CONSTRAINT watch_todo_deployment PRIMARY KEY,
    position bigint NOT NULL,
    touched_at timestamptz NOT NULL
) WITH (fillfactor = 40);
COMMENT ON TABLE dag.watch_todo IS 'Entries written only by dag.append_events: chart.pushed puts in, an end takes out. Monitors touch them.';

-- An event puts an entry on a to-do list or takes it out, whoever appends it.
CREATE FUNCTION dag.keep_todo(event dag.events, lane jsonb) RETURNS void LANGUAGE plpgsql AS $$
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

-- What the hash covers: every field, one a line, the payload last. dag_common.contracts.envelope writes the same bytes.
CREATE FUNCTION dag.canonical_bytes(event dag.events) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT convert_to(concat_ws(
        E'\n',
        event.position, event.event_id, event.stream, event.version, event.type, event.schema,
        to_char(event.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(event.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        event.correlation_id, event.causation_id, event.service, event.traceparent, event.payload
    ), 'UTF8')
$$;

-- Append a batch, to one stream or many: all of it or nothing. The head row is locked first, so appends stand in one line and
-- nobody sees a position before every smaller one. An event id that is recorded already returns its record and writes nothing.
CREATE FUNCTION dag.append_events(batch jsonb) RETURNS SETOF dag.events
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dag, pg_temp AS $$
DECLARE
    item jsonb;
    head dag.log_head;
    event dag.events;
    newest integer;
BEGIN
    SELECT * INTO STRICT head FROM dag.log_head FOR UPDATE;
    FOR item IN SELECT value FROM jsonb_array_elements(batch) LOOP
        SELECT * INTO event FROM dag.events WHERE event_id = (item ->> 'event_id')::uuid;
        IF FOUND THEN
            IF event.stream <> item ->> 'stream' OR event.version <> (item ->> 'version')::integer THEN
                RAISE unique_violation USING CONSTRAINT = 'events_event_id',
                    MESSAGE = format('event %s is recorded at %s version %s already', event.event_id, event.stream, event.version);
            END IF;
            RETURN NEXT event;
            CONTINUE;
        END IF;
        SELECT coalesce(max(version), 0) INTO newest FROM dag.events WHERE stream = item ->> 'stream';
        IF newest + 1 <> (item ->> 'version')::integer THEN
            RAISE unique_violation USING CONSTRAINT = 'events_stream_version',
                MESSAGE = format('%s stands at version %s, not before %s', item ->> 'stream', newest, item ->> 'version');
        END IF;
        event.position := head.position + 1;
        event.event_id := item ->> 'event_id';
        event.stream := item ->> 'stream';
        event.version := item ->> 'version';
        event.type := item ->> 'type';
        event.schema := item ->> 'schema';
        event.occurred_at := item ->> 'occurred_at';
        event.recorded_at := clock_timestamp();
        event.correlation_id := item ->> 'correlation_id';
        event.causation_id := item ->> 'causation_id';
        event.service := item ->> 'service';
        event.traceparent := item ->> 'traceparent';
        event.payload := item ->> 'payload';
        event.hash := sha256(head.hash || dag.canonical_bytes(event));
        INSERT INTO dag.events SELECT event.*;
        PERFORM dag.keep_todo(event, item -> 'lane');
        head.position := event.position;
        head.hash := event.hash;
        RETURN NEXT event;
    END LOOP;
    UPDATE dag.log_head SET position = head.position, hash = head.hash;
    PERFORM pg_notify('dag_log', head.position::text);
END
$$;
REVOKE ALL ON FUNCTION dag.append_events(jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION dag.keep_todo(dag.events, jsonb) FROM PUBLIC;

-- Charts by the sha256 of their bytes; messages and events carry only the digest.
CREATE TABLE dag.charts (
    sha256 text CONSTRAINT charts_sha256 PRIMARY KEY,
    content bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE dag.charts ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON TABLE dag.charts IS 'Written only by the gateway; content is a gzip already, so Postgres need not compress it.';

-- Which request became which deployment: a retried request finds its first answer here.
CREATE TABLE dag.requests (
    key text CONSTRAINT requests_key PRIMARY KEY,
    deployment_id uuid NOT NULL,
    fingerprint text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE dag.requests IS 'Written only by the gateway, in the transaction that appends deployment.requested.';

-- How far each cursor over the log has come; moved by compare-and-swap.
CREATE TABLE dag.checkpoints (
    name text CONSTRAINT checkpoints_name PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0)
);
COMMENT ON TABLE dag.checkpoints IS 'Each row is written only by the cursor it is named after.';

GRANT SELECT ON dag.events, dag.log_head, dag.push_todo, dag.watch_todo TO dag_service;
GRANT UPDATE (touched_at) ON dag.watch_todo TO dag_service;
GRANT SELECT, INSERT ON dag.charts, dag.requests TO dag_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON dag.checkpoints TO dag_service;
GRANT EXECUTE ON FUNCTION dag.append_events(jsonb), dag.canonical_bytes(dag.events) TO dag_service;

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
