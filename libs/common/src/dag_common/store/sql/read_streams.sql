-- The records of several deployments, each in order. $1: streams.
SELECT * FROM dag.events WHERE stream = ANY ($1::text[]) ORDER BY stream, version
