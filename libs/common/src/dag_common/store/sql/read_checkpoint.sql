-- How far a cursor has come. $1: name.
SELECT position FROM dag.checkpoints WHERE name = $1
