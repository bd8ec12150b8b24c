-- The newest record of one type in each of several streams. $1: streams, $2: type.
SELECT DISTINCT ON (stream) * FROM dag.events WHERE stream = ANY ($1) AND type = $2 ORDER BY stream, version DESC
