-- Move a cursor only if it still stands where the caller saw it. $1: name, $2: expected, $3: to.
INSERT INTO dag.checkpoints AS c (name, position)
SELECT $1, $3 WHERE $2::bigint = 0 OR EXISTS (SELECT FROM dag.checkpoints WHERE name = $1)
ON CONFLICT (name) DO UPDATE SET position = $3 WHERE c.position = $2
RETURNING position
