-- One deployment's records after a version, in order. $1: stream, $2: version.
SELECT * FROM dag.events WHERE stream = $1 AND version > $2 ORDER BY version
