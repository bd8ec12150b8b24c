-- The table that remembers migrations.
CREATE SCHEMA IF NOT EXISTS dag;
CREATE TABLE IF NOT EXISTS dag.migrations (
    number integer CONSTRAINT migrations_number PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
